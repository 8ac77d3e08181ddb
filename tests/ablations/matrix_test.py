"""The cells of an ablation: from names and flags to what is trained."""

import dataclasses
import pathlib

import pytest

from sagan_tf import ablate, train
from sagan_tf.ablations import matrix as ablations
from sagan_tf.settings.command import config_from_flags, define_flags, parse
from sagan_tf.settings.config import Config
from tests.configs_test import load

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "configs" / "ablations"


def planned(*argv, workdir="runs/x"):
    """Cells, what the report asks for, and what is left out, of a command line."""
    return ablate.plan(parse(["ablate", f"--workdir={workdir}", *argv], ablate._define))


def cells(*argv):
    return planned(*argv)[0]


def trained_with(cell):
    """The config that `sagan_tf.train` gets."""
    return config_from_flags(parse(["train", *cell.arguments], train._define))


def test_every_cell_of_a_matrix_has_a_file_and_every_file_a_matrix():
    named = {name for names in ablations.MATRICES.values() for name in names}
    assert named == {path.stem for path in FOLDER.glob("*.flags")}


def test_the_paper_s_matrix_has_its_thirteen_systems():
    assert len(ablations.MATRICES["paper"]) == 13


def test_cells_at_the_paper_s_size_are_their_files_and_evaluated():
    for cell in cells("--matrix=paper,settings"):
        own = load(FOLDER / f"{cell.name}.flags")
        changed = trained_with(cell).difference(own)
        assert changed == {
            "evaluate_every_steps": (own.total_steps // 10, 0),
            # None may have a classifier of its own.
            "feature_network": ("inception", None),
        }


def test_what_is_trained_is_what_is_compared_with_the_run_later():
    for cell in cells("--matrix=paper", "--dataset=digits", "--total_steps=70"):
        assert trained_with(cell) == cell.config


def test_single_settings_differ_from_feat32_in_one_thing():
    configs = {cell.name: trained_with(cell) for cell in cells("--matrix=settings")}
    base = configs.pop("feat32")
    for name, config in configs.items():
        changed = set(base.difference(config)) - {"ema_start_step"}
        assert len(changed) == 1, (name, changed)


def test_rows_of_the_stabilization_differ_in_what_the_paper_says():
    one, two, three = map(trained_with, cells("--matrix=stabilisation"))
    assert set(one.difference(two)) == {"spectral_norm"}
    assert set(two.difference(three)) == {"discriminator_learning_rate"}


@pytest.mark.parametrize(
    ("resolution", "sizes"), [(32, (8, 16)), (64, (8, 16, 32)), (128, (8, 16, 32, 64))]
)
def test_attention_that_has_no_place_is_left_out_with_the_reason(resolution, sizes):
    chosen, _, left_out = planned("--matrix=attention", f"--resolution={resolution}")
    assert [c.name for c in chosen] == ["no_attention", *(f"feat{s}" for s in sizes)]
    assert set(left_out) == {f"feat{s}" for s in (8, 16, 32, 64) if s not in sizes}
    assert all(f"at {resolution} pixels" in why for why in left_out.values())


def test_without_classes_what_needs_them_is_left_out():
    chosen, _, left_out = planned("--matrix=conditional", "--num_classes=0")
    assert "no_attention" in [cell.name for cell in chosen]
    assert left_out == {"ac_gan": "its classifier needs classes"}
    _, _, left_out = planned("--matrix=settings", "--num_classes=0")
    assert set(left_out) == {"normalized_tables"}


def test_learning_rates_are_scaled_and_keep_their_ratio():
    chosen = cells("--matrix=stabilisation", "--learning_rate_scale=3")
    rates = [
        (config.generator_learning_rate, config.discriminator_learning_rate)
        for config in map(trained_with, chosen)
    ]
    assert rates == [(3e-4, 3e-4), (3e-4, 3e-4), (3e-4, 1.2e-3)]


def test_a_learning_rate_that_is_given_is_scaled_too():
    argv = ("--generator_learning_rate=2e-4", "--learning_rate_scale=3")
    (cell, *_) = cells("--matrix=stabilisation", *argv)
    assert trained_with(cell).generator_learning_rate == 6e-4


def test_a_shorter_run_writes_ten_times():
    (cell, *_) = cells("--matrix=stabilisation", "--total_steps=2000")
    config = trained_with(cell)
    assert config.evaluate_every_steps == config.checkpoint_every_steps == 200
    assert config.watch_every_steps == config.sample_every_steps == 200
    assert config.log_every_steps == 20
    (cell, *_) = cells("--total_steps=2000", "--evaluate_every_steps=500")
    assert trained_with(cell).evaluate_every_steps == 500


def test_intervals_are_whole_executions():
    (cell, *_) = cells("--total_steps=4000", "--steps_per_execution=16")
    config = trained_with(cell)
    assert config.evaluate_every_steps == 400 and config.log_every_steps == 32


def test_another_data_set_has_its_own_classes():
    (cell, *_) = cells("--dataset=digits")
    assert trained_with(cell).num_classes is None


@pytest.mark.parametrize("flag", ["--attention_resolution=16", "--spectral_norm=both"])
def test_a_flag_in_which_cells_differ_is_refused(flag):
    with pytest.raises(ValueError, match="because they differ in it"):
        cells(flag)


def test_a_flag_in_which_the_chosen_cells_agree_is_taken():
    chosen = cells("--matrix=settings", "--attention_resolution=16")
    assert {trained_with(cell).generator_attention for cell in chosen} == {(16,)}


@pytest.mark.parametrize("wanted", ["5/4", "0/4", "a/b", "1/99", "1/"])
def test_an_impossible_share_is_refused(wanted):
    with pytest.raises(ValueError, match="share such as 1/4"):
        cells(f"--cells={wanted}")


@pytest.mark.parametrize(
    ("matrix", "wanted", "message"),
    [
        ("tables", None, "matrix must be among paper.*Received: tables"),
        ("paper", "feat9", "cells must be among.*Received: feat9"),
    ],
)
def test_what_is_not_there_is_refused(matrix, wanted, message):
    with pytest.raises(ValueError, match=message):
        ablations.names_of(matrix, wanted)


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda f: f.name)
def test_every_setting_can_be_said_on_a_command_line(field):
    (flag,) = ablations.as_flags(
        {field.name: field.default, "seed": 1}, {field.name: "another", "seed": 2}
    ) or [f"--seed={Config().seed}"]
    values = parse(["x", flag], define_flags)
    assert values[field.name].value == field.default


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
