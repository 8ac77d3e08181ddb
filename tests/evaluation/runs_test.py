"""What `evaluate` opens, scores and prints."""

import dataclasses
import math

import pytest

from sagan_tf.errors import BadInput
from sagan_tf.evaluation import evaluator, runs
from sagan_tf.evaluation.evaluator import open_how, score_samples
from sagan_tf.run import directory
from sagan_tf.run.checkpoints import Checkpoints
from tests.evaluation.evaluator_test import (  # noqa: F401 (fixtures)
    CONFIG,
    PROTOCOL,
    finished,
    how,
    lines,
    reference,
    run,
)
from tests.evaluation.small_network import small_network

# ruff: noqa: F811 (arguments that are fixtures)


@pytest.mark.slow
def test_what_is_not_given_is_as_the_run_was_trained_with(
    run, reference, monkeypatch, capsys
):
    network = small_network()
    monkeypatch.setattr(
        "sagan_tf.evaluation.features.of_run.open_feature_network",
        lambda spec, place: network,
    )
    given = {"protocol": None, "feature_network": None}
    how = open_how(run, given=given, changes={"num_fake": 30}, batch_size=8)
    assert how.protocol.name == "quick-5k+num_fake=30"
    assert how.reference.summary.count == 1438
    (path,) = (run / "reference").iterdir()
    assert how.reference.path == str(path)
    records = runs.score(how, workdir=run, checkpoint="all")
    assert [record["step"] for record in records] == [10, 20, 30]
    printed = capsys.readouterr()
    assert "step 10: FID in the feature space of small" in printed.out
    assert "not with published ones" in printed.err
    assert len(lines(run / "evaluations.jsonl")) == 3
    runs.score(how, workdir=run, samples="digits", samples_split="test")
    last = lines(run / "evaluations.jsonl")[3:]
    assert [line["subject"] for line in last] == ["digits (test)", "checkpoint"]


def test_results_go_where_they_are_asked_for(how, tmp_path):
    log = tmp_path / "mine.jsonl"
    runs.score(how, samples="digits", samples_split="test", output=log)
    assert lines(log)[0]["subject"] == "digits (test)"


def test_results_go_into_no_other_file(how, tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"mine": 1}')
    with pytest.raises(BadInput, match=r"must be a \.jsonl.*Try .*results\.jsonl"):
        runs.score(how, samples="digits", samples_split="test", output=path)
    assert path.read_text() == '{"mine": 1}'


def damage(run, step):
    (path,) = (run / "checkpoints" / f"step_{step:08d}").glob("*.data*")
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    return path


@pytest.fixture
def scored(monkeypatch):
    """The steps that are scored, in no time: each has FID 1."""
    steps = []

    def score_network(generator, how, num_classes, step):
        steps.append(step)
        metrics = {"fid": 1.0, "inception_score": math.nan}
        record = {"subject": "checkpoint", "step": step, "num_fake": 50}
        return {**record, **how.record(), "metrics": metrics, "warnings": ["few"]}

    monkeypatch.setattr(evaluator, "score_network", score_network)
    return steps


def test_all_goes_on_after_a_damaged_checkpoint_and_names_it(how, run, scored, capsys):
    path = damage(run, 20)
    runs.score(how, workdir=run, checkpoint="all")
    assert scored == [10, 30]
    printed = capsys.readouterr()
    assert f"warning: step 20 is left out: {path} is damaged" in printed.err
    assert "        step 10      step 30\n" in printed.out
    assert [line["step"] for line in lines(run / "evaluations.jsonl")] == [10, 30]


def test_all_goes_on_after_an_unreadable_checkpoint(how, run, scored, monkeypatch):
    def fail(checkpoints, step, real=Checkpoints.check):
        if step == 20:
            raise PermissionError(13, "Permission denied", "checkpoint.json")
        real(checkpoints, step)

    monkeypatch.setattr(Checkpoints, "check", fail)
    runs.score(how, workdir=run, checkpoint="all")
    assert scored == [10, 30]


def test_only_damaged_checkpoints_are_an_error(how, run, scored):
    for step in (10, 20, 30):
        damage(run, step)
    with pytest.raises(ValueError, match="steps 10, 20, 30, none of which is good"):
        runs.score(how, workdir=run, checkpoint="all")


@pytest.mark.parametrize("checkpoint", ["newest", "all"])
def test_a_result_that_cannot_be_written_is_printed(
    how, run, scored, monkeypatch, capsys, checkpoint
):
    def fail(record, log):
        raise OSError(28, "No space left on device", str(log))

    monkeypatch.setattr(evaluator, "write_record", fail)
    with pytest.raises(OSError, match="No space left"):
        runs.score(how, workdir=run, checkpoint=checkpoint)
    printed = capsys.readouterr()
    assert "FID in the feature space of small" in printed.out
    assert "warning: few" in printed.err


def test_an_output_that_cannot_be_written_is_found_before_the_work(
    how, run, scored, tmp_path
):
    (run / "evaluations.jsonl").mkdir()
    for options in (
        {"workdir": run},
        {"samples": "digits", "output": tmp_path / "no" / "results.jsonl"},
    ):
        with pytest.raises(OSError, match=r"evaluations\.jsonl|results\.jsonl"):
            runs.score(how, **options)
    assert scored == []


def test_a_record_without_numbers_is_shown(how, run, scored, capsys):
    runs.score(how, workdir=run, checkpoint="all")
    runs.score(how, workdir=run, checkpoint="all")
    assert scored == [10, 20, 30]
    assert "Step 10 is in evaluations.jsonl already." in capsys.readouterr().err


def test_pictures_alone_need_a_reference():
    with pytest.raises(ValueError, match="--reference_statistics=FILE"):
        open_how()


def test_a_run_without_checkpoints_is_named(how, tmp_path):
    directory.prepare(tmp_path / "run", CONFIG, {"class_names": []})
    with pytest.raises(ValueError, match="no checkpoints yet"):
        runs.score(how, workdir=tmp_path / "run", checkpoint="all")


def test_the_table_has_a_column_for_each_set_of_images(how, run):
    records = [
        score_samples("digits", how, "test"),
        runs.evaluate_checkpoint(how, run, "newest"),
    ]
    text = runs.table(records, how.network.describe)
    head, count, fid = text[1:4]
    assert head.split() == ["digits", "(test)", "step", "30"]
    assert count.split() == ["images", "50", "50"]
    assert fid.startswith("FID in the feature space of small ")
    assert [float(v) for v in fid.split()[-2:]] == [
        round(record["metrics"]["fid"], 4) for record in records
    ]
    assert not [line for line in text if line.split()[:1] == ["intra-FID"]]


def test_many_columns_are_broken_into_blocks(how, run):
    record = runs.evaluate_checkpoint(how, run, "newest")
    text = runs.table([record] * 9, how.network.describe)
    assert len([line for line in text if line.startswith("images ")]) == 3
    assert max(map(len, text)) <= 110


def test_the_heading_names_protocol_network_and_data(how):
    few = dataclasses.replace(how, protocol=dataclasses.replace(PROTOCOL, num_real=480))
    assert "60 (not 480: there are no more) real ones" in runs.heading(few)[0]
    text = " ".join(runs.heading(how))
    assert ", 60 real ones of the train split" in text
    for part in ("tiny: 50 generated", "small", "digits", "split train", "32 pixels"):
        assert part in text
