"""What `evaluate` opens, scores and prints."""

import pytest

from sagan_tf.evaluation import report, runs
from sagan_tf.evaluation.runs import evaluate_checkpoint
from sagan_tf.run import directory
from tests.evaluation.evaluator_test import (  # noqa: F401 (fixtures)
    CONFIG,
    evaluator,
    finished,
    lines,
    reference,
    run,
)
from tests.evaluation.small_network import small_network

# ruff: noqa: F811 (arguments that are fixtures)


@pytest.mark.slow
def test_the_table_has_a_column_for_each_set_of_images(evaluator, run):
    records = [
        evaluator.score_samples("digits", "test"),
        evaluate_checkpoint(evaluator, run, "newest"),
    ]
    text = report.table(records, evaluator.network.describe)
    head, count, fid = text[1:4]
    assert head.split() == ["digits", "(test)", "step", "30"]
    assert count.split() == ["images", "50", "50"]
    assert fid.startswith("FID in the feature space of small ")
    assert [float(v) for v in fid.split()[-2:]] == [
        round(record["metrics"]["fid"], 4) for record in records
    ]
    assert not [line for line in text if line.split()[:1] == ["intra-FID"]]


@pytest.mark.slow
def test_many_columns_are_broken_into_blocks(evaluator, run):
    record = evaluate_checkpoint(evaluator, run, "newest")
    text = report.table([record] * 9, evaluator.network.describe)
    assert len([line for line in text if line.startswith("images ")]) == 3
    assert max(map(len, text)) <= 110


def test_the_heading_names_protocol_network_and_data(evaluator):
    text = " ".join(
        report.heading(evaluator.protocol, evaluator.network, evaluator.reference)
    )
    for part in ("tiny: 50 generated", "small", "digits", "split train", "32 pixels"):
        assert part in text


def prepare(workdir, **flags):
    defaults = {
        "protocol": None,
        "changes": {},
        "feature_network": None,
        "inception": None,
        "reference_statistics": None,
        "intra_fid": False,
        "batch_size": 8,
        "strategy": "default",
        "output": None,
    }
    return runs.prepare(workdir=workdir, **{**defaults, **flags})


@pytest.mark.slow
def test_what_is_not_given_is_as_the_run_was_trained_with(
    run, reference, monkeypatch, capsys
):
    network = small_network()
    monkeypatch.setattr(
        "sagan_tf.evaluation.evaluator.open_feature_network",
        lambda spec, place: network,
    )
    evaluator = prepare(run, changes={"num_fake": 30})
    assert evaluator.protocol.name == "quick-5k+num_fake=30"
    assert evaluator.reference.summary.count == 1438
    (path,) = (run / "reference").iterdir()
    assert evaluator.reference.path == str(path)
    records = runs.score(evaluator, workdir=run, checkpoint="all")
    assert [record["step"] for record in records] == [10, 20, 30]
    printed = capsys.readouterr()
    assert "step 10: FID in the feature space of small" in printed.out
    assert "not with published ones" in printed.err
    assert len(lines(run / "evaluations.jsonl")) == 3


def test_pictures_alone_need_a_reference():
    with pytest.raises(ValueError, match="--reference_statistics=FILE"):
        prepare(None)


def test_a_run_without_checkpoints_is_named(evaluator, tmp_path):
    directory.prepare(tmp_path / "run", CONFIG, {"class_names": []})
    with pytest.raises(ValueError, match="no checkpoints yet"):
        runs.score(evaluator, workdir=tmp_path / "run", checkpoint="all")
