"""Files: whole or absent, and errors that name the file."""

import os
import pathlib

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


def test_a_folder_in_the_place_of_a_file_is_named_before_the_work(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError, match="Is a directory: '.*/a'$"):
        with files.replacing(tmp_path / "a"):
            raise AssertionError("the work has begun")


def test_an_error_in_the_body_is_given_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="full: '.*/a'"):
        with files.replacing(tmp_path / "a"):
            raise OSError(28, "full")


def test_a_full_disk_is_named_with_the_file():
    # A device that is always full.
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        files.append_lines("/dev/full", "text\n")


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, and a function that reads what is written to it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    # Opened for both, so that nobody waits.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path, lambda: os.read(descriptor, 1000)
    os.close(descriptor)


def test_a_pipe_is_written_to_and_stays(pipe, tmp_path):
    path, read = pipe
    files.check_writable(path)
    files.write_text(path, "one\n")
    files.append_lines(path, "two\n")
    assert read() == b"one\ntwo\n"
    assert path.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_device_is_written_to_and_stays():
    files.write_text("/dev/null", "text")
    assert pathlib.Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match="No space left on device"):
        files.write_text("/dev/full", "text")


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    link, target = tmp_path / "link", tmp_path / "folder" / "target"
    link.symlink_to(target)
    for text in ("one", "two"):
        files.write_text(link, text)
        assert link.is_symlink() and target.read_text() == text
    assert names(tmp_path / "folder") == ["target"]


def test_a_link_to_a_folder_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with files.replacing_folder(tmp_path / "link") as folder:
        (folder / "a").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "target") == ["a"]


def test_what_cannot_be_written_is_found_without_writing(tmp_path):
    (tmp_path / "a").write_text("old")
    files.check_writable(tmp_path / "a")
    files.check_writable(tmp_path / "new")
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"
    files.check_writable(tmp_path / "b" / "c" / "new", make_parents=True)
    assert names(tmp_path) == ["a"]
    for path in (tmp_path, tmp_path / "no" / "folder", tmp_path / "a" / "b"):
        with pytest.raises(OSError, match=str(path)):
            files.check_writable(path)


def test_a_line_that_was_cut_off_is_replaced(tmp_path):
    path = tmp_path / "log"
    files.append_lines(path, "one\n")
    files.append_lines(path, "two\nthree\n")
    assert path.read_text() == "one\ntwo\nthree\n"
    path.write_text('one\n{"tw')
    files.append_lines(path, "three\n")
    assert path.read_text() == "one\nthree\n"
    path.write_text('{"cut')
    files.append_lines(path, "one\n")
    assert path.read_text() == "one\n"


@pytest.mark.parametrize("text", ["{\n}", '{"step": 1}', "a\nb"])
def test_what_no_killed_process_has_left_stays(tmp_path, text):
    path = tmp_path / "log"
    path.write_text(text)
    files.append_lines(path, "one\n")
    assert path.read_text() == f"{text}\none\n"
