"""The cells of an ablation: from names and flags to runs."""

import dataclasses
import json
import pathlib
import subprocess

import pytest

from sagan_tf import ablate, ablations, train
from sagan_tf.config import Config
from sagan_tf.flags import config_from_flags, define_flags, parse
from tests.configs_test import load

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "configs" / "ablations"


def cells(*argv):
    """Cells and names of those that have no place, of a command line."""
    values = parse(["ablate", "--workdir=runs/x", *argv], ablate._define)
    return ablate._cells(values, pathlib.Path("runs/x"))


def trained_with(cell):
    """The config that `sagan_tf.train` gets."""
    return config_from_flags(parse(["train", *cell.arguments], train._define))


def test_every_cell_of_a_matrix_has_a_file_and_every_file_a_matrix():
    named = {name for names in ablations.MATRICES.values() for name in names}
    assert named == {path.stem for path in FOLDER.glob("*.flags")}


def test_the_paper_s_matrix_has_its_thirteen_systems():
    assert len(ablations.MATRICES["paper"]) == 13


def test_cells_at_the_paper_s_size_are_their_files():
    for cell in cells("--matrix=paper,settings")[0]:
        assert trained_with(cell) == load(FOLDER / f"{cell.name}.flags"), cell.name


def test_single_settings_differ_from_feat32_in_one_thing():
    configs = {cell.name: trained_with(cell) for cell in cells("--matrix=settings")[0]}
    base = configs.pop("feat32")
    for name, config in configs.items():
        changed = set(base.difference(config)) - {"ema_start_step"}
        assert len(changed) == 1, (name, changed)


def test_rows_of_the_stabilisation_differ_in_what_the_paper_says():
    one, two, three = (
        trained_with(cell) for cell in cells("--matrix=stabilisation")[0]
    )
    assert set(one.difference(two)) == {"spectral_norm"}
    assert set(two.difference(three)) == {"discriminator_learning_rate"}


def test_attention_that_has_no_place_is_left_out_and_named():
    found, left_out = cells("--matrix=attention", "--resolution=32")
    assert [cell.name for cell in found] == ["no_attention", "feat8", "feat16"]
    assert left_out == ["feat32", "feat64"]


def test_seeds_come_one_after_the_other():
    found, _ = cells("--matrix=stabilisation", "--seeds=2", "--seed=5")
    assert [cell.seed for cell in found] == [5, 5, 5, 6, 6, 6]
    assert found[3].workdir == pathlib.Path("runs/x/sn_d_only/seed_6")


def test_learning_rates_are_scaled_and_keep_their_ratio():
    found, _ = cells("--matrix=stabilisation", "--learning_rate_scale=3")
    rates = [
        (config.generator_learning_rate, config.discriminator_learning_rate)
        for config in map(trained_with, found)
    ]
    assert rates == [(3e-4, 3e-4), (3e-4, 3e-4), (3e-4, 1.2e-3)]


def test_a_shorter_run_writes_ten_times():
    (cell, *_), _ = cells("--matrix=stabilisation", "--total_steps=2000")
    config = trained_with(cell)
    assert config.evaluate_every_steps == config.checkpoint_every_steps == 200
    assert cells("--total_steps=2000", "--evaluate_every_steps=500")[0][0].overrides[
        -1:
    ] == ("--evaluate_every_steps=500",)


def test_another_data_set_has_its_own_classes():
    (cell, *_), _ = cells("--dataset=digits")
    assert trained_with(cell).num_classes is None


@pytest.mark.parametrize("flag", ["--attention_resolution=16", "--spectral_norm=both"])
def test_a_flag_in_which_cells_differ_is_refused(flag):
    with pytest.raises(ValueError, match="what they differ in"):
        cells(flag)


def test_a_flag_in_which_the_chosen_cells_agree_is_taken():
    found, _ = cells("--matrix=settings", "--attention_resolution=16")
    assert {trained_with(cell).generator_attention for cell in found} == {(16,)}


def test_shares_are_all_cells_once():
    names = ablations.MATRICES["paper"]
    shares = [ablations.names_of("paper", f"{share}/4") for share in (1, 2, 3, 4)]
    assert sorted(name for share in shares for name in share) == sorted(names)


@pytest.mark.parametrize(
    ("matrix", "wanted", "message"),
    [
        ("tables", None, "matrix must be among paper.*Received: tables"),
        ("paper", "feat9", "cells must be among.*Received: feat9"),
        ("paper", "5/4", "share as 1/4"),
        ("paper", "0/4", "share as 1/4"),
        ("paper", "a/b", "share as 1/4"),
    ],
)
def test_what_is_not_there_is_refused(matrix, wanted, message):
    with pytest.raises(ValueError, match=message):
        ablations.names_of(matrix, wanted)


def test_a_missing_folder_of_configs_is_named(tmp_path):
    with pytest.raises(ValueError, match="sn_d_only.flags is missing.*--configs"):
        cells(f"--configs={tmp_path}")


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda f: f.name)
def test_every_setting_can_be_said_on_a_command_line(field):
    values = parse(["x", ablations.as_flag(field.name, field.default)], define_flags)
    assert values[field.name].value == field.default


class Trainings:
    """Stands for `subprocess.run`: every training ends with a given status."""

    def __init__(self, status):
        self.status = status
        self.commands = []

    def __call__(self, command, check):
        self.commands.append(command)
        return subprocess.CompletedProcess(command, self.status)


@pytest.fixture
def cell(tmp_path):
    return ablations.Cell("feat8", 0, "f.flags", ("--flip",), tmp_path / "feat8")


@pytest.mark.parametrize("status", [0, 4])
def test_what_ended_or_diverged_is_noted_and_not_run_again(cell, monkeypatch, status):
    trainings = Trainings(status)
    monkeypatch.setattr(ablations.subprocess, "run", trainings)
    cell.workdir.mkdir()
    assert ablations.run(cell) == ablations.run(cell) == 0
    ((_, *command),) = trainings.commands
    assert command == ["-m", "sagan_tf.train", *cell.arguments]
    outcome = json.loads((cell.workdir / "outcome.json").read_text())
    assert outcome["status"] == status == cell.outcome()["status"]
    assert outcome["command"] == ["python", *command]


@pytest.mark.parametrize(("status", "expected"), [(2, 2), (3, 3), (1, 1), (-9, 137)])
def test_what_was_stopped_or_failed_is_to_be_run_again(
    cell, monkeypatch, status, expected
):
    monkeypatch.setattr(ablations.subprocess, "run", Trainings(status))
    cell.workdir.mkdir()
    assert ablations.run(cell) == expected
    assert cell.outcome() is None
