"""Files: whole or absent, and errors that name the file."""

import pytest

from sagan_tf import files


def test_text_is_written_and_added_to(tmp_path):
    files.write_text(tmp_path / "a", "one\n")
    files.append_lines(tmp_path / "a", "two\n")
    assert (tmp_path / "a").read_text() == "one\ntwo\n"


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path):
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(tmp_path / "a", "\ud800")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_when_it_is_whole(tmp_path):
    with files.replacing(tmp_path / "a") as temporary:
        with open(temporary, "wb") as file:
            file.write(b"\x00\xff")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("failure", [OSError(28, "full"), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(type(failure)):
        with files.replacing(tmp_path / "a") as temporary:
            with open(temporary, "wb") as file:
                file.write(b"ne")
            raise failure
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_error_in_the_body_is_given_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="full: '.*/a'"):
        with files.replacing(tmp_path / "a"):
            raise OSError(28, "full")


def test_a_full_disk_is_named_with_the_file():
    # A device that is always full.
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        files.append_lines("/dev/full", "text\n")


def test_a_line_that_was_cut_off_is_replaced(tmp_path):
    path = tmp_path / "log"
    files.append_lines(path, "one\n")
    files.append_lines(path, "two\nthree\n")
    assert path.read_text() == "one\ntwo\nthree\n"
    path.write_text("one\ntw")
    files.append_lines(path, "three\n")
    assert path.read_text() == "one\nthree\n"
    path.write_text("cut")
    files.append_lines(path, "one\n")
    assert path.read_text() == "one\n"
