import json

import keras
import pytest

from sagan_tf.exports.origin import find_evaluations, origin_in_memory, origin_of_run
from sagan_tf.settings.config import Config


def line(step=24, ema=True, standing=0, fid=1.0, network="a", subject="checkpoint"):
    return {
        "subject": subject,
        "step": step,
        "num_fake": 5,
        "num_real": 6,
        "metrics": {"fid": fid},
        "protocol": {"name": "p", "ema": ema, "standing_batches": standing},
        "network": {"name": network, "hash": network, "is_inception": False},
        "reference": {"content_hash": "r", "description": "photos"},
        "warnings": [],
    }


@pytest.mark.parametrize(
    "name",
    ["num_fake", "num_real", "network.name", "network.is_inception"]
    + ["reference.description", "warnings"],
)
def test_a_line_that_the_model_card_cannot_show_is_left_out(tmp_path, capsys, name):
    other = line()
    *place, key = name.split(".")
    del (other[place[0]] if place else other)[key]
    text = "".join(json.dumps(each) + "\n" for each in (line(fid=2.0), other))
    (tmp_path / "evaluations.jsonl").write_text(text)
    (found,) = find_evaluations(tmp_path, 24, True, True)
    assert found["metrics"]["fid"] == 2.0
    assert f"line 2, is left out: it has no {name}." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "averaged", "has_ema", "expected"),
    [
        ([line(fid=1.0), line(fid=2.0)], True, True, [2.0]),
        ([line(fid=1.0), line(fid=2.0, network="b")], True, True, [1.0, 2.0]),
        ([line(step=20), line(subject="folder:x"), line(standing=16)], True, True, []),
        ([line(ema=False, fid=3.0), line(fid=4.0)], False, True, [3.0]),
        ([line(ema=False, fid=3.0), line(fid=4.0)], True, True, [4.0]),
        # Without a moving average, a protocol that asks for it gets the weights.
        ([line(fid=4.0)], False, False, [4.0]),
        ([], True, True, []),
    ],
)
def test_evaluations_are_of_the_weights_that_are_exported(
    tmp_path, lines, averaged, has_ema, expected
):
    if lines:
        text = "".join(json.dumps(each) + "\n" for each in lines)
        (tmp_path / "evaluations.jsonl").write_text(text)
    found = find_evaluations(tmp_path, 24, averaged, has_ema)
    assert [record["metrics"]["fid"] for record in found] == expected


def test_a_run_tells_what_it_knows(tmp_path):
    config = Config(dataset="digits", num_classes=10, ema_decay=0.5)
    told = origin_of_run(tmp_path, "best", True, config, ("a", "b"), 24)
    assert told["config"]["dataset"] == "digits"
    assert (told["step"], told["checkpoint"], told["ema"]) == (24, "best", True)
    assert (told["data"], told["trained_with"], told["imported"]) == (None, [], None)
    for name, content in (
        ("data.json", {"description": "1,797 digits", "class_names": []}),
        ("versions.json", [{"from_step": 0}]),
        ("import.json", {**IMPORTED, "translated": {"generator": {}}}),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    told = origin_of_run(tmp_path, 24, True, config, (), 24)
    assert told["data"] == "1,797 digits"
    assert told["trained_with"] == [{"from_step": 0}]
    assert told["imported"] == IMPORTED
    assert json.loads(json.dumps(told)) == told


IMPORTED = {"from": "x", "written_by": "X", "files": [], "step": 3, "notes": []}


def test_a_run_without_an_average_has_none_to_export(tmp_path):
    config = Config(dataset="digits", num_classes=10)
    assert origin_of_run(tmp_path, "newest", True, config, (), 24)["ema"] is False


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "versions.json").write_text("[")
    config = Config(dataset="digits", num_classes=10)
    with pytest.raises(ValueError, match="versions.json is damaged"):
        origin_of_run(tmp_path, "newest", True, config, (), 24)


def test_a_generator_in_memory_has_the_same_keys(tmp_path):
    z = keras.Input((4,))
    network = keras.Model(z, keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64)(z)))
    told = origin_in_memory(network, 3, ("a", "b", "c"))
    config = Config(dataset="digits", num_classes=10)
    assert list(told) == list(origin_of_run(tmp_path, 1, True, config, (), 1))
    config = {"resolution": 8, "image_channels": 1, "num_classes": 3, "z_dim": 4}
    assert told["config"] == config
