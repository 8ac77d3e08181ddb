"""Text files: whole or absent, and errors that name the file."""

import pytest

from sagan_tf import files


def test_text_is_written_and_added_to(tmp_path):
    files.write_text(tmp_path / "a", "one\n")
    files.append_text(tmp_path / "a", "two\n")
    assert (tmp_path / "a").read_text() == "one\ntwo\n"


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path):
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(tmp_path / "a", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_full_disk_is_named_with_the_file():
    # A device that is always full.
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        files.append_text("/dev/full", "text")
