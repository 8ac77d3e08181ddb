"""Training the cells of an ablation in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import types

import pytest

from sagan_tf.ablations import processes
from sagan_tf.ablations.matrix import Cell
from sagan_tf.ablations.runs import OUTCOME
from sagan_tf.run.lock import claim
from sagan_tf.settings.config import Config

SETTINGS = {
    "total_steps": 20,
    "batch_size": 4,
    "attention_resolution": (16,),
    "evaluate_every_steps": 2,
    "protocol": "quick-5k",
    "feature_network": "inception",
}


def make_cell(folder, **changes):
    workdir, config = folder / "feat8", Config(**{**SETTINGS, **changes})
    arguments = ["--flagfile=f.flags", "--flip", "--seed=0", f"--workdir={workdir}"]
    return Cell("feat8", 0, workdir, config, arguments)


@pytest.fixture
def cell(tmp_path):
    return make_cell(tmp_path)


def write_config(cell, **changes):
    """What a training of these settings, on data with ten classes, would write."""
    cell.workdir.mkdir(exist_ok=True)
    config = {**json.loads(cell.config.to_json()), "num_classes": 10, **changes}
    (cell.workdir / "config.json").write_text(json.dumps(config))


def evaluate(cell, step=20, protocol="quick-5k", inception=True):
    network = {"name": "Inception", "hash": "a", "is_inception": inception}
    record = {"subject": "checkpoint", "step": step, "network": network}
    record |= {"protocol": {"name": protocol}, "metrics": {"fid": 1.0}}
    with open(cell.workdir / "evaluations.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")


@pytest.fixture
def programs(monkeypatch):
    """Exit statuses of the next processes; which commands were run is recorded."""

    class Programs:
        statuses = []
        commands = []
        effect = staticmethod(lambda: None)

    programs = Programs()
    programs.statuses, programs.commands = [], []

    def run(arguments, lock):
        programs.commands.append(arguments)
        programs.effect()
        return programs.statuses.pop(0), False

    monkeypatch.setattr(processes, "_run", run)
    return programs


@pytest.mark.parametrize("status", [4, 6])
def test_a_training_that_ended_badly_is_an_outcome_and_not_run_again(
    cell, programs, status
):
    programs.statuses = [status]
    programs.effect = lambda: write_config(cell)
    assert processes.train(cell) == processes.train(cell) == 0
    (command,) = programs.commands
    assert command == ["-m", "sagan_tf.train", *cell.arguments]
    outcome = json.loads((cell.workdir / OUTCOME).read_text())
    assert outcome == {"status": status, "command": ["python", *command]}
    assert processes.is_done(cell)


def test_what_ended_well_and_was_evaluated_is_done(cell, programs):
    programs.statuses = [0]
    programs.effect = lambda: (write_config(cell), evaluate(cell))
    assert processes.train(cell) == 0
    assert processes.is_done(cell)
    assert len(programs.commands) == 1


@pytest.mark.parametrize(
    "changes",
    [{"step": 18}, {"protocol": "official-train-50k"}, {"inception": False}],
)
def test_a_last_step_that_was_not_evaluated_in_this_way_is(cell, programs, changes):
    programs.statuses = [0, 0]
    programs.effect = lambda: (write_config(cell), evaluate(cell, **changes))
    assert processes.train(cell) == 0
    _, evaluation = programs.commands
    assert evaluation == [
        "-m",
        "sagan_tf.evaluate",
        f"--workdir={cell.workdir}",
        "--protocol=quick-5k",
        "--feature_network=inception",
    ]


@pytest.mark.parametrize("status", [1, 2, 3, 137])
def test_what_was_stopped_or_failed_is_to_be_run_again(cell, programs, status):
    programs.statuses = [status]
    assert processes.train(cell) == status
    assert not processes.is_trained(cell)
    assert not (cell.workdir / OUTCOME).exists()


def test_more_steps_go_on_and_the_outcome_of_fewer_is_forgotten(cell, programs):
    write_config(cell)
    (cell.workdir / OUTCOME).write_text('{"status": 0}')
    evaluate(cell)
    assert processes.is_done(cell)
    longer = make_cell(cell.workdir.parent, total_steps=30)
    processes.check_unchanged(longer)
    assert not processes.is_done(longer)
    programs.statuses = [3]
    assert processes.train(longer) == 3
    assert not (cell.workdir / OUTCOME).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 8}, "batch_size was 4, now 8.*another --workdir"),
        ({"total_steps": 10}, "total_steps was 20, now 10"),
        ({"attention_resolution": (8,)}, r"attention_resolution was \[16\], now \[8\]"),
        ({"num_classes": 3}, "num_classes was 10, now 3"),
    ],
)
def test_runs_with_other_settings_are_not_mixed(cell, changes, message):
    write_config(cell)
    with pytest.raises(ValueError, match=message):
        processes.check_unchanged(make_cell(cell.workdir.parent, **changes))


@pytest.mark.parametrize(
    "changes", [{}, {"evaluate_every_steps": 5}, {"protocol": "official-train-50k"}]
)
def test_the_same_settings_and_other_ways_to_look_are_taken(cell, changes):
    processes.check_unchanged(cell)  # Nothing is there yet.
    write_config(cell)
    processes.check_unchanged(make_cell(cell.workdir.parent, **changes))


def test_a_distance_that_was_measured_is_the_same_setting(tmp_path):
    cell = make_cell(tmp_path, mode_seeking_weight=3.0)
    write_config(cell, mode_seeking_distance=0.4412)
    processes.check_unchanged(cell)


def test_a_cell_that_another_process_is_at_is_refused(cell):
    cell.workdir.mkdir()
    with claim(cell.workdir / processes.LOCK):
        with pytest.raises(processes.InUse, match=f"process {os.getpid()} on"):
            processes.train(cell)


def start(tmp_path, child):
    """Starts a process that runs a child in a cell; returns it when the child runs."""
    program = f"""
        import pathlib, sys
        from sagan_tf.ablations import processes
        with processes.claim(pathlib.Path({str(tmp_path)!r}) / processes.LOCK) as lock:
            print(processes._run(["-c", {textwrap.dedent(child)!r}], lock))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "child").exists():
        time.sleep(0.05)
    return process


def is_free(workdir):
    try:
        with claim(workdir / processes.LOCK):
            return True
    except processes.InUse:
        return False


CHILD = """
    import os, pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(99))
    path = pathlib.Path({path!r})
    path.with_suffix(".new").write_text(str(os.getpid()))
    path.with_suffix(".new").rename(path)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_training_save_and_is_waited_for(tmp_path, number):
    process = start(tmp_path, CHILD.format(path=str(tmp_path / "child")))
    assert not is_free(tmp_path)
    process.send_signal(number)
    printed, _ = process.communicate()
    assert printed.strip() == "(3, True)"
    assert is_free(tmp_path)


def test_a_training_whose_parent_was_killed_keeps_its_run(tmp_path):
    process = start(tmp_path, CHILD.format(path=str(tmp_path / "child")))
    process.kill()
    process.wait()
    process.stdout.close()
    assert not is_free(tmp_path)
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    while not is_free(tmp_path):
        time.sleep(0.05)


def test_a_killed_training_has_the_status_of_a_shell(tmp_path):
    child = CHILD.format(path=str(tmp_path / "child"))
    process = start(tmp_path, child)
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    assert process.communicate()[0].strip() == "(137, False)"


@pytest.fixture
def train_all(monkeypatch):
    """A function of ends by cell: exit status, cells that were tried, reports.

    An end is an exit status, `"done"`, or the process that is training the cell.
    """

    def train_all(ends):
        tried, reports = [], []

        def train(cell):
            tried.append(cell.name)
            end = ends.get(cell.name, 0)
            if isinstance(end, str):
                raise processes.InUse(end)
            return end

        monkeypatch.setattr(processes, "train", train)
        monkeypatch.setattr(
            processes, "is_done", lambda cell: ends.get(cell.name) == "done"
        )
        every_cell = [types.SimpleNamespace(name=name, seed=0) for name in "abc"]
        status = processes.train_all(every_cell, lambda: reports.append(None))
        return status, tried, len(reports)

    return train_all


def test_after_each_cell_there_is_a_report(train_all, capsys):
    assert train_all({}) == (0, ["a", "b", "c"], 3)
    assert "[3/3] c, seed 0 (about 0:00:00 left for 1 runs)" in capsys.readouterr().out


def test_what_is_done_is_not_trained_again(train_all, capsys):
    assert train_all({"a": "done"}) == (0, ["b", "c"], 2)
    assert "[1/3] a, seed 0: is done." in capsys.readouterr().out


def test_what_another_process_trains_is_skipped(train_all, capsys):
    assert train_all({"b": "process 7 on host"}) == (0, ["a", "b", "c"], 2)
    assert (
        "b, seed 0: skipped, process 7 on host is training it."
        in capsys.readouterr().out
    )


def test_a_failure_ends_the_ablation_with_its_status(train_all, capsys):
    assert train_all({"b": 5}) == (5, ["a", "b"], 1)
    assert "b, seed 0: ended with exit status 5." in capsys.readouterr().err


def test_after_a_cell_that_refuses_the_data_the_others_are_trained(train_all, capsys):
    assert train_all({"a": 2}) == (2, ["a", "b", "c"], 2)
    assert "[1/3] a, seed 0: refused, see above." in capsys.readouterr().err
