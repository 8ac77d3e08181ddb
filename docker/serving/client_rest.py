"""Requests images from TensorFlow Serving over REST and writes them as PNG files.

python docker/serving/client_rest.py --labels=0-9 --seeds=0-7 --output_dir=pictures

The signature `sample_png` returns PNG files, so this needs only Python: one POST with
JSON, and Base64 to decode.
"""

import base64
import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

import pictures


def ask(options, inputs):
    """Requests one batch of images.

    Args:
        options: the command line.
        inputs: dict of input name to list.

    Returns:
        List of bytes, one PNG file for each image.

    Raises:
        pictures.NotAnswered: there is no server or no such model, or the server refuses
            the request.
    """
    model = urllib.parse.quote(options.model, safe="")
    version = f"/versions/{options.version}" if options.version else ""
    url = f"http://{options.server}/v1/models/{model}{version}:predict"
    # The column format has each input once, with its values for all images.
    body = json.dumps({"signature_name": "sample_png", "inputs": inputs}).encode()
    try:
        with urllib.request.urlopen(url, body, timeout=options.timeout) as response:
            # A signature with one output returns it without its name. The name ends in
            # _bytes, so each value is {"b64": ...}.
            outputs = json.load(response)["outputs"]
            return [base64.b64decode(each["b64"], validate=True) for each in outputs]
    except urllib.error.HTTPError as error:
        reason = _reason(error)
        raise pictures.refused(options.server, error.code, reason) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise pictures.unreachable(options.server, reason) from error
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise pictures.NotAnswered(
            f"{options.server} does not speak TensorFlow Serving's REST "
            f"({type(error).__name__}). Try the port of its --rest_api_port, 8501."
        ) from error


def _reason(error):
    """Returns the server's explanation of an error: JSON with the key `error`."""
    text = error.read().decode(errors="replace")
    try:
        return json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text or error.reason


def _draw(options):
    answers = [ask(options, inputs) for inputs in pictures.requests(options)]
    files = [file for answer in answers for file in answer]
    os.makedirs(options.output_dir, exist_ok=True)
    for (label, seed), file in zip(pictures.wanted(options), files, strict=True):
        name = f"seed_{seed:05d}.png"
        if label is not None:
            name = f"label_{label:03d}_{name}"
        pictures.write_file(os.path.join(options.output_dir, name), file)
    print(f"{len(files)} images in {options.output_dir}")


def main(argv=None):
    """Runs the client; returns the exit status."""
    parser = pictures.command_line(__doc__, port=8501)
    parser.add_argument(
        "--output_dir", default="pictures", help="folder for the files (%(default)s)"
    )
    return pictures.run(_draw, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
