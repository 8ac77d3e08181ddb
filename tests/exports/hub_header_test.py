import yaml

from sagan_tf.exports.hub_header import hub_header
from tests.exports.model_card_test import EVALUATION, RECORD


def metadata(**changes):
    first, block, rest = hub_header({**RECORD, **changes}).split("---\n")
    assert (first, rest) == ("", "")
    return yaml.safe_load(block)


def test_the_hub_is_told_what_it_is():
    found = metadata(evaluations=[])
    assert found["library_name"] == "tensorflow"
    assert found["pipeline_tag"] == "unconditional-image-generation"
    assert found["license"] == "unknown"
    assert metadata(license="cc-by-4.0")["license"] == "cc-by-4.0"
    assert {"sagan", "gan", "class-conditional"} <= set(found["tags"])
    assert "model-index" not in found
    config = {**RECORD["config"], "num_classes": 0}
    assert "unconditional" in metadata(config=config)["tags"]
    assert metadata(format="keras")["library_name"] == "keras"
    assert metadata(format="onnx")["library_name"] == "onnx"
    assert metadata(format="web")["library_name"] == "onnx"


def test_what_was_measured_is_there_with_its_protocol():
    other = {**EVALUATION, "metrics": {"fid": 3.5}, "protocol": {"name": "official"}}
    (model,) = metadata(evaluations=[EVALUATION, other])["model-index"]
    assert model["name"] == "SAGAN 32x32"
    first, second = model["results"]
    assert first["task"] == {"type": "unconditional-image-generation"}
    assert first["dataset"] == {
        "type": "npz:clothes.npz",
        "name": "my clothes: 60,000 pictures",
    }
    how = "(protocol quick-5k, feature network cnn)"
    assert first["metrics"] == [
        {"type": "fid", "name": f"FID {how}", "value": 2.01794},
        {"type": "class_accuracy", "name": f"class accuracy {how}", "value": 0.9392},
    ]
    assert "protocol official" in second["metrics"][0]["name"]


def test_names_need_no_quotes_of_their_own():
    names = 'Ærø: "a" - #1 \U0001f600'
    (model,) = metadata(data=names)["model-index"]
    assert model["results"][0]["dataset"]["name"] == names
