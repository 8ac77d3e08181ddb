"""Flagfiles: where each argument stands, encodings, and what is no flagfile."""

import pytest

from sagan_tf.errors import BadInput
from sagan_tf.settings.flagfiles import expand


def texts(*arguments):
    return [text for text, _ in expand(arguments, lambda name: name == "seed")]


def test_a_flag_and_its_value_become_one_argument():
    assert texts("--seed", "-1", "--flip", "-seed", "3") == [
        "--seed=-1",
        "--flip",
        "--seed=3",
    ]


def test_lines_stand_where_the_file_is_named(tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("--b\n\n# a comment\n  --c  \r\n// another\n")
    outer.write_text(f"--a\n--flagfile={inner}\n--d\n")
    assert texts("--first", "--flagfile", str(outer), "--last") == [
        *("--first", "--a", "--b", "--c", "--d", "--last")
    ]
    places = [place for _, place in expand([f"--flagfile={outer}"], lambda name: 0)]
    assert places[0] == f" (line 1 of {outer})"
    assert places[2] == f" (line 4 of {inner})"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "ascii"])
def test_text_with_a_byte_order_mark_is_read(tmp_path, encoding):
    (tmp_path / "a.flags").write_bytes("--seed=3\r\n--flip\r\n".encode(encoding))
    assert texts(f"--flagfile={tmp_path}/a.flags") == ["--seed=3", "--flip"]


@pytest.mark.parametrize(
    "content",
    [
        "--seed=3\n".encode("utf-16-le"),
        "--dataset=folder:Kätzchen\n".encode("latin-1"),
        b"\xff\xfe\x00",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"#" * (2**20 + 1),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "a.flags").write_bytes(content)
    with pytest.raises(BadInput, match="UTF-8 text.*a.flags.*Try saving"):
        texts(f"--flagfile={tmp_path}/a.flags")


def test_a_file_that_names_itself_is_refused(tmp_path):
    (tmp_path / "a.flags").write_text(f"--flagfile={tmp_path}/b.flags\n")
    (tmp_path / "b.flags").write_text(f"--a\n--flagfile={tmp_path}/a.flags\n")
    with pytest.raises(BadInput, match=r"itself \(line 2 of .*b.flags\)"):
        texts(f"--flagfile={tmp_path}/a.flags")


@pytest.mark.parametrize("file", ["", "missing.flags", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch, file):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="flagfile must be a file that can be read"):
        texts(f"--flagfile={file}")


@pytest.mark.parametrize("flag", ["--seed", "--flagfile"])
def test_a_missing_value_is_named(flag):
    with pytest.raises(BadInput, match=f"{flag} needs a value"):
        texts(flag)


def test_bytes_that_are_not_utf_8_are_refused():
    with pytest.raises(BadInput, match="UTF-8.*udcff"):
        texts("--workdir=\udcff")
