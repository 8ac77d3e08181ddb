import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from sagan_tf.errors import BadInput
from sagan_tf.exports.folder import RECORD, check_output, export_folder

MODEL = "saved_model.pb"


def fill(folder, text):
    for name in (MODEL, RECORD):
        (folder / name).write_text(text)


def make(path, text="new", overwrite=False):
    with export_folder(path, overwrite) as folder:
        fill(folder, text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "models" / "sagan" / "1"


def test_the_folder_gets_its_name_when_it_is_full(path):
    with export_folder(path) as folder:
        fill(folder, "new")
        assert not path.exists()
        assert not any(name.isdecimal() for name in names(path.parent))
    assert names(path.parent) == ["1"]
    assert names(path) == [RECORD, MODEL]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(path, tmp_path, error):
    with pytest.raises(type(error)):
        with export_folder(path) as folder:
            fill(folder, "new")
            raise error
    assert not names(tmp_path)


def test_a_failure_leaves_what_was_there(path):
    make(path, "old")
    (path.parent / "2").mkdir()
    with pytest.raises(ValueError, match="bad"):
        with export_folder(path, overwrite=True) as folder:
            fill(folder, "new")
            raise ValueError("bad")
    assert names(path.parent) == ["1", "2"]
    assert (path / MODEL).read_text() == "old"


def test_an_export_is_not_replaced_unasked(path):
    make(path, "old")
    with pytest.raises(ValueError, match=r"which exists. Try --output=\S+sagan/2, or"):
        make(path)
    assert (path / MODEL).read_text() == "old"
    make(path, overwrite=True)
    assert (path / MODEL).read_text() == "new"
    assert names(path.parent) == ["1"]


@pytest.mark.parametrize(
    ("output", "other"), [("/", "/1"), (".", r"\S+/1"), ("..", "1"), ("a/.", "a?/?1")]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_without_a_name_is_refused(
    tmp_path, monkeypatch, output, other, overwrite
):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=rf"Try --output={other}[,.]"):
        check_output(output, overwrite)


def test_an_export_replaces_one_of_another_format(path):
    make(path, "old")
    with export_folder(path, overwrite=True) as folder:
        for name in (RECORD, "generator.onnx"):
            (folder / name).write_text("onnx")
    make(path, "new", overwrite=True)
    assert names(path) == [RECORD, MODEL]


@pytest.mark.parametrize("there", ["", RECORD, MODEL])
def test_what_is_no_export_is_never_replaced(tmp_path, there):
    (tmp_path / "thesis.tex").write_text("ten years")
    if there:
        (tmp_path / there).write_text("")
    with pytest.raises(ValueError, match="--overwrite replaces only exports"):
        make(tmp_path, overwrite=True)
    with pytest.raises(ValueError, match="--overwrite replaces only exports"):
        check_output(tmp_path / "thesis.tex", overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "ten years"


def test_the_old_export_comes_back_if_the_new_one_cannot_take_its_place(
    path, monkeypatch
):
    make(path, "old")
    rename = os.rename

    def broken(source, target):
        if pathlib.Path(target) == path and ".old" not in str(source):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(OSError, match=f"Input/output error.*{path}"):
        make(path, overwrite=True)
    assert names(path.parent) == ["1"]
    assert (path / MODEL).read_text() == "old"


CHILD = """
import pathlib, sys, time
from sagan_tf.exports.folder import export_folder
with export_folder(sys.argv[1], overwrite=True) as folder:
    (folder / "saved_model.pb").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def interrupted(path, number):
    """Sends a signal to a process in the middle of an export; its exit status."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    assert len(names(path.parent)) == 1 + path.exists()
    child.send_signal(number)
    return child.wait(timeout=30)


def test_sigterm_leaves_nothing(path, tmp_path):
    assert interrupted(path, signal.SIGTERM) == 128 + signal.SIGTERM
    assert not names(tmp_path)


def test_after_sigkill_the_next_export_puts_things_in_order(path):
    make(path, "old")
    assert interrupted(path, signal.SIGKILL) == -signal.SIGKILL
    assert (path / MODEL).read_text() == "old"
    assert len(names(path.parent)) == 2
    assert sum(name.isdecimal() for name in names(path.parent)) == 1
    make(path, overwrite=True)
    assert names(path.parent) == ["1"]


def test_an_export_that_was_killed_while_it_was_exchanged_is_not_lost(path, capsys):
    make(path, "old")
    gone = subprocess.Popen(["true"])
    gone.wait()
    os.rename(path, path.with_name(f"1.old.{gone.pid}.tmp"))
    with pytest.raises(ValueError, match="which exists"):
        make(path)
    assert (path / MODEL).read_text() == "old"
    assert names(path.parent) == ["1"]
    assert "had moved it" in capsys.readouterr().err


def test_another_process_at_work_is_left_alone(path):
    path.parent.mkdir(parents=True)
    other = path.with_name(f"1.{os.getppid()}.tmp")
    neighbour = path.with_name("11.1.tmp")
    for folder in (other, neighbour):
        folder.mkdir()
    make(path)
    assert names(path.parent) == sorted(["1", other.name, neighbour.name])


def test_it_works_beside_the_main_thread(path):
    thread = threading.Thread(target=make, args=(path,))
    thread.start()
    thread.join()
    assert (path / MODEL).read_text() == "new"


def test_sigterm_is_as_it_was_afterwards(path):
    before = signal.getsignal(signal.SIGTERM)
    make(path)
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        make(tmp_path / "file" / "1")
