"""From a command line to the cells that are trained, one after another."""

import pathlib
import types

import pytest

from sagan_tf import ablate
from sagan_tf.ablations import processes, schedule
from tests.ablations.matrix_test import cells, planned, trained_with


def test_seeds_come_one_after_the_other():
    chosen = cells("--matrix=stabilisation", "--seeds=2", "--seed=5")
    assert [cell.seed for cell in chosen] == [5, 5, 5, 6, 6, 6]
    assert chosen[3].workdir == pathlib.Path("runs/x/sn_d_only/seed_6")
    assert trained_with(chosen[3]).seed == 6


def test_shares_are_all_cells_once_and_each_is_reported():
    argv = ("--matrix=paper", "--resolution=32", "--seeds=2")
    every, wanted, _ = planned(*argv)
    shares = [planned(*argv, f"--cells={share}/4") for share in (1, 2, 3, 4)]
    runs = [(cell.name, cell.seed) for chosen, _, _ in shares for cell in chosen]
    assert sorted(runs) == sorted((cell.name, cell.seed) for cell in every)
    assert all(asked_for == wanted for _, asked_for, _ in shares)


def test_a_matrix_of_which_nothing_can_be_trained_is_refused():
    with pytest.raises(ValueError, match="None of the cells.*--attention_resolution"):
        cells("--matrix=settings", "--resolution=32")


def test_a_missing_folder_of_configs_is_named(tmp_path):
    with pytest.raises(ValueError, match="sn_d_only.flags is missing.*--configs"):
        cells(f"--configs={tmp_path}")


def test_a_dry_run_prints_commands_and_writes_nothing(tmp_path, capsys):
    argv = ("--matrix=attention", "--resolution=32", "--dry_run")
    assert ablate.main(["ablate", *argv, f"--workdir={tmp_path}/x"]) == 0
    printed = capsys.readouterr().out.splitlines()
    commands = [line for line in printed if line.startswith("python -m sagan_tf.train")]
    assert len(commands) == 3
    assert "# feat64 is left out: at 32 pixels" in printed[-1]
    assert not (tmp_path / "x").exists()


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
        status = schedule.train(every_cell, lambda: reports.append(None))
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
    assert train_all({"b": 2}) == (2, ["a", "b"], 1)
    assert "b, seed 0: ended with exit status 2." in capsys.readouterr().err
