"""What `evaluate` opens, scores and prints."""

import pytest

from sagan_tf.evaluation import runs
from sagan_tf.evaluation.evaluator import open_how, score_samples
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


@pytest.mark.slow
def test_what_is_not_given_is_as_the_run_was_trained_with(
    run, reference, monkeypatch, capsys
):
    network = small_network()
    monkeypatch.setattr(
        "sagan_tf.evaluation.evaluator.open_feature_network",
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
    text = " ".join(runs.heading(how))
    for part in ("tiny: 50 generated", "small", "digits", "split train", "32 pixels"):
        assert part in text
