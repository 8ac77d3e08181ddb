"""The JSON files of a run: what is damaged is named, and logs are read on."""

import json
import math

import pytest

from sagan_tf.run import records
from sagan_tf.run.records import (
    is_missing,
    json_line,
    keep_lines,
    read_json,
    read_metrics,
)

FORM = {"files": {"name": str}, "steps?": [int], "rate?": records.NUMBER}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"null", "it must be an object, not null"),
        (b"[]", "it must be an object, not []"),
        (b"{}", "it has no files"),
        (b'{"files": 3}', "files must be an object, not 3"),
        (b'{"files": {}}', "it has no files.name"),
        (b'{"files": {"name": null}}', "files.name must be text, not null"),
        (b'{"files": {"name": "a"}, "steps": 7}', "steps must be a list, not 7"),
        (b'{"files": {"name": "a"}, "steps": ["x"]}', "must be a whole number"),
        (b'{"files": {"name": "a"}, "rate": "x"}', "rate must be a number or null"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, content, words):
    (tmp_path / "some.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"some\.json is damaged: ") as caught:
        read_json(tmp_path / "some.json", FORM)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


def test_a_good_file_is_read(tmp_path):
    value = {"files": {"name": "ä", "more": 1}, "steps": [1], "rate": 0.5, "new": {}}
    (tmp_path / "some.json").write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    assert read_json(tmp_path / "some.json", FORM) == value


def test_what_cannot_be_read_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "some.json", FORM)
    with pytest.raises(ValueError, match="not a regular file"):
        read_json(tmp_path, FORM)


GOOD = {
    "metrics.jsonl": {"step": 2, "d_loss": 0.5, "time": "now"},
    "health.jsonl": {
        **{"step": 2, "diversity": 0.5, "logit_gap": None, "complaints": ["logits"]},
        **{"gradient_norm_g": 1, "gradient_norm_d": 1},
    },
    "evaluations.jsonl": {
        **{"step": None, "protocol": {"name": "p"}, "network": {"name": "n"}},
        "metrics": {"fid": 3.5, "recall": None},
    },
}
BAD_LINES = [
    *(b"{}", b"null", b"7", b'"text"', b"[]", b"{", b"\xff\xfe", b"[" * 100_000),
    *(b'{"step": "2"}', b'{"step": 2, "metrics": "3"}', b'{"step": 2, "d_loss": "x"}'),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_line_is_left_out_and_named_once(tmp_path, capsys, name):
    path, good = tmp_path / name, json_line(GOOD[name]).encode()
    path.write_bytes(good + b"".join(bad + b"\n" for bad in BAD_LINES) + good)
    assert read_metrics(path) == read_metrics(path) == [GOOD[name]] * 2
    named = capsys.readouterr().err.splitlines()
    assert len(named) == len(BAD_LINES)
    for number, line in enumerate(named, 2):
        assert line.startswith(f"warning: {path}, line {number}, is left out: ")
        assert len(line) < 200 + len(str(path))


def test_a_half_written_line_is_no_damage(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text('{"step": 2}\n\n{"step": 3, "ti')
    assert read_metrics(path) == [{"step": 2}]
    assert capsys.readouterr().err == ""


def test_what_is_not_finite_is_null_also_inside():
    line = json_line({"step": 2, "loss": float("nan"), "metrics": {"fid": math.inf}})
    expected = {"step": 2, "loss": None, "metrics": {"fid": None}}
    assert json.loads(line) == expected


def test_lines_after_a_step_and_damaged_ones_are_removed(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert keep_lines(path, 3) == []
    assert not path.exists()
    path.write_text('{"step": 2}\nnull\n{"step": 4}\n')
    assert keep_lines(path, 3) == [{"step": 2}]
    assert path.read_text() == '{"step": 2}\n'


@pytest.mark.parametrize(
    ("every", "step", "is_due"),
    [(2, 4, True), (2, 2, False), (4, 6, False), (0, 4, False), (2, 0, False)],
)
def test_a_record_is_missing_at_its_steps_alone(tmp_path, every, step, is_due):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 2, "d_loss": 1.0}) + "\n")
    recorded = {line["step"] for line in read_metrics(path)}
    assert is_missing(recorded, every, step) == is_due
