"""Requests images from TensorFlow Serving over gRPC and writes them as one PNG.

python docker/serving/client_grpc.py --labels=0-9 --seeds=0-7 --output=grid.png

The PNG has a row for each label and a column for each seed. The signature `sample`
returns pixels. Needs tensorflow-serving-api (which brings TensorFlow) and Pillow.
"""

import contextlib
import io
import os
import sys

import pictures


def ask(options, inputs):
    """Requests one batch of images.

    Args:
        options: the command line.
        inputs: dict of input name to list.

    Returns:
        uint8 array `(N, R, R, C)`; C is 1 for gray images, 3 for RGB.

    Raises:
        pictures.NotAnswered: there is no server or no such model, or the server refuses
            the request.
    """
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = options.model
    request.model_spec.signature_name = "sample"
    if options.version:
        request.model_spec.version.value = options.version
    # Unlike REST, gRPC does not convert values: they must have the signature's types.
    dtypes = {"labels": tf.int32, "seeds": tf.int64, "truncation": tf.float32}
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, dtypes[name]))
    # By default, a client accepts at most 4 MiB: about 50 images of 128x128.
    unlimited = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(options.server, options=unlimited) as channel:
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            answer = service.Predict(request, timeout=options.timeout)
        except grpc.RpcError as error:
            code, reason = error.code(), error.details()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise pictures.unreachable(options.server, reason) from error
            raise pictures.refused(options.server, code.name, reason) from error
    if "pixels" not in answer.outputs:
        raise pictures.NotAnswered(
            f"{options.model} is not an export of sagan_tf: sample must return "
            f"pixels. Received: {', '.join(answer.outputs)}."
        )
    return tf.make_ndarray(answer.outputs["pixels"])


def _load_libraries():
    """Loads the large libraries, without TensorFlow's start-up messages.

    C++ code prints them before any setting of Python takes effect.
    """
    # The client needs only TensorFlow's tensor format, no GPU.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with contextlib.ExitStack() as stack:
        terminal = os.dup(2)
        stack.callback(os.close, terminal)
        stack.callback(os.dup2, terminal, 2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            import PIL.Image  # noqa: F401
            import tensorflow_serving.apis.predict_pb2  # noqa: F401
        except ImportError as error:
            raise pictures.NotAnswered(
                f"{error}. Try pip install tensorflow-serving-api pillow."
            ) from error


def _draw(options):
    _load_libraries()
    import numpy as np
    from PIL import Image

    answers = [ask(options, inputs) for inputs in pictures.requests(options)]
    pixels = np.concatenate(answers)
    count, height, width, channels = pixels.shape
    columns = len(options.seeds)
    # (label, seed, y, x, c) -> (label, y, seed, x, c): rows of images.
    grid = pixels.reshape(count // columns, columns, height, width, channels)
    grid = grid.swapaxes(1, 2).reshape(-1, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(grid[..., 0] if channels == 1 else grid).save(file, "PNG")
    pictures.write_file(options.output, file.getvalue())
    print(f"{count} images in {options.output}")


def main(argv=None):
    """Runs the client; returns the exit status."""
    parser = pictures.command_line(__doc__, port=8500)
    parser.add_argument(
        "--output", default="grid.png", help="the PNG to write (%(default)s)"
    )
    return pictures.run(_draw, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
