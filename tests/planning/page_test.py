"""The page of `sagan_tf.plan`, and the command."""

import json

import pytest

from sagan_tf import SAGAN, build_discriminator, build_generator, plan
from sagan_tf.planning.page import amount, plan_text
from sagan_tf.planning.plan import Plan
from tests import tiny
from tests.planning.plan_test import REPORT
from tests.untrained import write_run


def tiny_plan(**changes):
    options = {
        "resolution": 32,
        "num_classes": 3,
        "channels": 4,
        "attention_resolution": (16,),
    }
    model = SAGAN(build_generator(z_dim=8, **options), build_discriminator(**options))
    return Plan(model, **{"batch_size": 16, "total_steps": 1000, **changes})


def test_amounts_have_four_digits_and_a_prefix():
    assert amount(38.254e12, "FLOP") == "38.25 TFLOP"
    assert amount(999, "FLOP") == "999 FLOP"
    assert amount(1000, "FLOP") == "1 kFLOP"
    assert amount(2e24, "FLOP") == "2000 ZFLOP"


@pytest.mark.slow
def test_twice_the_share_is_half_the_days_and_the_cost():
    text = plan_text(
        tiny_plan(total_steps=10**9), {"h100": 7.0}, utilizations=(0.1, 0.2)
    )
    (line,) = (line for line in text.splitlines() if "1 x H100" in line)
    *_, days, _, cost, _, half, _, half_cost, _ = line.replace(",", "").split()
    assert float(half) == pytest.approx(float(days) / 2, rel=0.02)
    assert float(half_cost) == pytest.approx(float(cost) / 2, rel=0.02)
    assert float(cost) == pytest.approx(24 * 7.0 * float(days), rel=0.02)


@pytest.mark.slow
def test_a_measurement_adds_its_share_and_the_days_on_that_machine():
    measured = {
        "text": "this machine",
        "utilization": 0.37,
        "formula_flops_per_second": 1e11,
        "images_per_core_second": 500.0,
    }
    text = plan_text(tiny_plan(), {}, measured=measured)
    assert "37 % of peak" in text and "37.0 % of the speed" in text
    assert "days there" in text and "such cores" in text


def test_it_says_what_was_not_measured():
    text = plan_text(tiny_plan(), {})
    assert "No GPU and no TPU" in text and "No measurement is given" in text
    assert "an assumption" in text


def test_what_was_counted_stands_beside_the_formula():
    counted = plan_text(tiny_plan(counted_flops=10**9), {})
    assert "as TensorFlow counts" in counted and "of the formula's" in counted


@pytest.mark.slow
def test_a_plan_that_was_not_counted_says_that_it_is_too_high():
    text = plan_text(tiny_plan(), {})
    assert "days and dollars follow from the formula" in text
    assert "about twice too high" in text and "without --nocount" in text
    assert "twice" not in plan_text(tiny_plan(counted_flops=10**9), {})


def run(*flags, **changes):
    settings = {**tiny.FLAGS, **changes}
    return plan.main(["plan", *(f"--{k}={v}" for k, v in settings.items()), *flags])


@pytest.mark.slow
def test_the_command_plans_a_run_without_its_data(tmp_path, capsys):
    measured = tmp_path / "measured.json"
    measured.write_text(json.dumps(REPORT))
    status = run(
        f"--measured={measured}",
        "--h100_price_per_hour=2.5",
        "--utilisation=0.25",
        dataset="folder:/nowhere",
        total_steps=24,
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert "assumes 1000" in printed.out
    assert "25 % of peak" in printed.out and "50 % of peak" in printed.out
    assert "2.50 $ an hour: --h100_price_per_hour." in printed.out
    assert "as TensorFlow counts" in printed.out


def test_a_plan_has_the_networks_of_the_run_that_it_starts_from(tmp_path, capsys):
    write_run(tmp_path, z_dim=9, attention_resolution=(16,))
    start = f"--initialize_from={tmp_path}"
    assert run(start, "--nocount") == 2
    assert "with z_dim=9. Received: z_dim=8" in capsys.readouterr().err
    assert plan.main(["plan", "--initialize_from=/nowhere", "--nocount"]) == 2
    assert "/nowhere is not the directory of a run" in capsys.readouterr().err


def test_the_command_refuses_in_one_line(capsys):
    for flag in ("--h100_price_per_hour=-1", "--utilisation=much", "--utilisation=2"):
        assert run(flag, "--nocount") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and flag[2:7] in line
