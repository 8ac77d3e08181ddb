"""The commands that evaluate, and evaluation during training, on a tiny run."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tiny

from sagan_tf import evaluate, images, reference_statistics, sample
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.evaluation.protocols import PROTOCOLS
from sagan_tf.run.checkpoints import Checkpoints
from tests.evaluation.small_network import small_network

STEPS = tiny.FLAGS["total_steps"]
EVALUATION = {
    "evaluate_every_steps": 8,
    "split": "train",
    "keep_checkpoints": 1,
}

pytestmark = pytest.mark.slow


def open_small(spec, place=None):
    return small_network() if spec == "small" else open_feature_network(spec, place)


def make_small(patch):
    """`--feature_network=small` opens the test's network, `quick-5k` makes 300."""
    for module in ("evaluator", "features.network", "features.of_run"):
        patch.setattr(f"sagan_tf.evaluation.{module}.open_feature_network", open_small)
    quick = dataclasses.replace(PROTOCOLS["quick-5k"], num_fake=300)
    patch.setitem(PROTOCOLS, "quick-5k", quick)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    make_small(monkeypatch)


def flags(**values):
    return ["command", *(f"--{name}={value}" for name, value in values.items())]


def lines(workdir):
    text = (workdir / "evaluations.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run that was evaluated while it trained. Not to be changed."""
    workdir = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        assert tiny.run(workdir, feature_network="small", **EVALUATION) == 0
    return workdir


@pytest.fixture
def copy(evaluated, tmp_path):
    return shutil.copytree(evaluated, tmp_path / "copy")


def test_training_evaluates_and_keeps_the_best_checkpoint(evaluated):
    records = lines(evaluated)
    assert [record["step"] for record in records] == [8, 16, 24]
    best = min(records, key=lambda record: record["metrics"]["fid"])["step"]
    aside = Checkpoints(evaluated / "best")
    assert aside.steps() == [best]
    aside.check(best)
    assert Checkpoints(evaluated / "checkpoints").steps() == [STEPS]
    assert (evaluated / "metrics.png").stat().st_size > 10_000


def test_evaluating_does_not_change_the_training(evaluated, tmp_path):
    assert tiny.run(tmp_path, split="train", keep_checkpoints=1) == 0
    tiny.assert_same_weights(evaluated, tmp_path, STEPS)


@pytest.fixture
def interrupted(after_16_steps, tmp_path):
    """A run that has 8 of its 24 steps before it. To be changed."""
    return shutil.copytree(after_16_steps, tmp_path / "interrupted")


@pytest.fixture(scope="module")
def after_16_steps(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("after_16_steps")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        run = {"feature_network": "small", **EVALUATION, "total_steps": 16}
        assert tiny.run(workdir, **run) == 0
    return workdir


def test_a_resumed_run_knows_its_best_checkpoint(interrupted, monkeypatch):
    """A later, worse evaluation does not replace it; the earlier lines are not lost."""
    before = lines(interrupted)
    best = min(before, key=lambda record: record["metrics"]["fid"])

    def score(generator, how, num_classes, step):
        record = {"subject": "checkpoint", "step": step, **how.record()}
        return {**record, "metrics": {"fid": best["metrics"]["fid"] + 1}}

    name = "sagan_tf.training.callbacks.periodic_evaluation.score_network"
    monkeypatch.setattr(name, score)
    assert tiny.run(interrupted, feature_network="small", **EVALUATION) == 0
    assert Checkpoints(interrupted / "best").steps() == [best["step"]]
    assert lines(interrupted)[:2] == before
    assert [record["step"] for record in lines(interrupted)] == [8, 16, 24]


def test_a_resumed_run_makes_up_the_evaluation_that_was_killed(evaluated, interrupted):
    """The checkpoint was written, the line of its evaluation was not."""
    log = interrupted / "evaluations.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    assert tiny.run(interrupted, feature_network="small", **EVALUATION) == 0
    made_up, unbroken = lines(interrupted), lines(evaluated)
    assert [record["step"] for record in made_up] == [8, 16, 24]
    assert made_up[1]["metrics"] == pytest.approx(unbroken[1]["metrics"], rel=1e-4)
    tiny.assert_same_weights(evaluated, interrupted, STEPS)


def test_evaluate_says_the_same_as_the_training_did(copy, capsys):
    assert evaluate.main(flags(workdir=copy)) == 0
    during, after = lines(copy)[2:4]
    assert after["step"] == during["step"] == STEPS
    for name, value in during["metrics"].items():
        assert after["metrics"][name] == pytest.approx(value, rel=1e-3), name
    printed = capsys.readouterr().out
    assert "quick-5k: 300 generated images" in printed
    assert f"{after['metrics']['fid']:.4f}" in printed
    assert "FID in the feature space of small" in printed


def test_two_replicas_find_the_same_number(copy):
    few = {"workdir": copy, "num_fake": 100, "batch_size": 16}
    assert evaluate.main(flags(**few)) == 0
    assert evaluate.main(flags(**few, strategy="mirrored")) == 0
    one, two = (record["metrics"]["fid"] for record in lines(copy)[-2:])
    assert two == pytest.approx(one, rel=1e-4)


def test_pictures_that_were_drawn_score_with_a_file_of_statistics(
    copy, tmp_path, capsys
):
    stats = tmp_path / "stats.npz"
    made = flags(
        dataset="digits",
        resolution=32,
        image_channels=1,
        feature_network="small",
        output=stats,
    )
    assert reference_statistics.main(made) == 0
    assert f"Written: {stats}" in capsys.readouterr().out
    before = stats.stat().st_mtime_ns
    assert reference_statistics.main(made) == 0
    assert f"Up to date: {stats}" in capsys.readouterr().out
    assert stats.stat().st_mtime_ns == before
    assert reference_statistics.main([*made, "--split=test"]) == 2
    assert "split is None, needed 'test'" in capsys.readouterr().err

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    sampled = flags(workdir=copy, seeds="0-15", output=tmp_path / "grid.png")
    assert sample.main(sampled) == 0
    for index in range(12):
        noise = np.random.default_rng(index).integers(0, 255, (32, 32, 1), np.uint8)
        images.write_png(pictures / f"{index}.png", noise)
    scored = flags(
        samples=f"folder:{pictures}",
        reference_statistics=stats,
        feature_network="small",
        output=tmp_path / "results.jsonl",
    )
    assert evaluate.main(scored) == 0
    (line,) = (tmp_path / "results.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["num_fake"] == 12
    assert record["subject"] == f"folder:{pictures}"
    printed = capsys.readouterr()
    assert "asks for 300 images; there are 12" in printed.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"checkpoint": "5"}, "no checkpoint of step 5"),
        ({"checkpoint": "last"}, "checkpoint must be newest, best"),
        ({"protocol": "mine"}, "quick-5k"),
        ({"feature_network": "nowhere"}, "nowhere"),
        ({"num_fake": 1}, "num_fake"),
        ({"truncation": 0}, "truncation must be above 0"),
        ({"batch_size": 0}, "batch_size"),
        ({"reference_statistics": "none.npz"}, "no reference file none.npz"),
        ({"protocol": "tfgan-validation-50k"}, None),
        ({"samples": "folder:/nowhere"}, "There is no folder /nowhere"),
        ({"saved_model": "/nowhere"}, "saved_model.pb"),
        ({"workdir": "/nowhere"}, "config.json"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_one_line(copy, capsys, given, words):
    before = (copy / "evaluations.jsonl").read_bytes()
    arguments = {"workdir": copy, "num_fake": 20, **given}
    if words is None:  # The run's data set has a test split, the other fifth.
        assert evaluate.main(flags(**arguments)) == 0
        return
    assert evaluate.main(flags(**arguments)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    assert words in line
    assert (copy / "evaluations.jsonl").read_bytes() == before


def test_nothing_to_evaluate_is_said(capsys):
    assert evaluate.main(["command"]) == 2
    assert "nothing to evaluate" in capsys.readouterr().err


def test_training_does_not_start_without_its_feature_network(tmp_path, capsys):
    assert tiny.run(tmp_path, feature_network="nowhere", **EVALUATION) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert not Checkpoints(tmp_path / "checkpoints").steps()
