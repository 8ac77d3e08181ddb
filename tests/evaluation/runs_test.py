"""What `evaluate` opens, scores and prints."""

import pytest

from sagan_tf.evaluation import runs
from sagan_tf.run import directory
from tests.evaluation.evaluator_test import (  # noqa: F401 (fixtures)
    CONFIG,
    finished,
    how,
    lines,
    reference,
    run,
)
from tests.evaluation.small_network import small_network

# ruff: noqa: F811 (arguments that are fixtures)


def prepare(workdir, changes=()):
    return runs.prepare(
        workdir,
        given={"protocol": None, "feature_network": None},
        changes=dict(changes),
        intra_fid=False,
        batch_size=8,
        strategy="default",
    )


@pytest.mark.slow
def test_what_is_not_given_is_as_the_run_was_trained_with(
    run, reference, monkeypatch, capsys
):
    network = small_network()
    monkeypatch.setattr(
        "sagan_tf.evaluation.evaluator.open_feature_network",
        lambda spec, place: network,
    )
    how = prepare(run, changes={"num_fake": 30})
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


def test_pictures_alone_need_a_reference():
    with pytest.raises(ValueError, match="--reference_statistics=FILE"):
        prepare(None)


def test_a_run_without_checkpoints_is_named(how, tmp_path):
    directory.prepare(tmp_path / "run", CONFIG, {"class_names": []})
    with pytest.raises(ValueError, match="no checkpoints yet"):
        runs.score(how, workdir=tmp_path / "run", checkpoint="all")
