"""The metadata of a model card for the Hugging Face Hub.

Reference: huggingface.co/docs/hub/model-cards
"""

import json

from sagan_tf.evaluation.comparison import TITLES

TASK = "unconditional-image-generation"
_TAGS = ("sagan", "gan", "self-attention", "image-generation", "arxiv:1805.08318")
# The Hub shows how to load models of the library `keras`.
_LIBRARIES = {"saved_model": "tensorflow", "web": "onnx"}


def hub_header(record):
    """Returns the YAML block at the start of a card, between lines of `---`.

    The license is `unknown` if none was given, because the license of the training
    images is unknown.

    Args:
        record: dict, the content of export.json, see `export.py`.

    Returns:
        str, the block.
    """
    library = _LIBRARIES.get(record["format"], record["format"])
    config = record["config"]
    kind = "class-conditional" if config["num_classes"] else "unconditional"
    header = {
        "library_name": library,
        "license": record.get("license") or "unknown",
        "pipeline_tag": TASK,
        "tags": [*_TAGS, kind],
    }
    results = [_result(each, record) for each in record["evaluations"]]
    if results:
        size = config["resolution"]
        header["model-index"] = [{"name": f"SAGAN {size}x{size}", "results": results}]
    # JSON is YAML.
    lines = [f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in header.items()]
    return "\n".join(["---", *lines, "---", ""])


def _result(evaluation, record):
    """Returns an evaluation as an entry of `model-index`, with its protocol."""
    protocol, network = evaluation["protocol"]["name"], evaluation["network"]["name"]
    how = f"protocol {protocol}, feature network {network}"
    name = record["data"] or evaluation["reference"]["description"]
    return {
        "task": {"type": TASK},
        "dataset": {
            "type": record["config"].get("dataset") or "unknown",
            "name": name,
        },
        "metrics": [
            {"type": key, "name": f"{title} ({how})", "value": value}
            for key, title in TITLES.items()
            if (value := evaluation["metrics"].get(key)) is not None
        ],
    }
