"""The table of an evaluation, and what stands above it."""

from sagan_tf.evaluation import report
from sagan_tf.evaluation.evaluator import score_samples
from sagan_tf.evaluation.runs import evaluate_checkpoint
from tests.evaluation.evaluator_test import (  # noqa: F401 (fixtures)
    finished,
    how,
    reference,
    run,
)

# ruff: noqa: F811 (arguments that are fixtures)


def test_the_table_has_a_column_for_each_set_of_images(how, run):
    records = [
        score_samples("digits", how, "test"),
        evaluate_checkpoint(how, run, "newest"),
    ]
    text = report.table(records, how.network.describe)
    head, count, fid = text[1:4]
    assert head.split() == ["digits", "(test)", "step", "30"]
    assert count.split() == ["images", "50", "50"]
    assert fid.startswith("FID in the feature space of small ")
    assert [float(v) for v in fid.split()[-2:]] == [
        round(record["metrics"]["fid"], 4) for record in records
    ]
    assert not [line for line in text if line.split()[:1] == ["intra-FID"]]


def test_many_columns_are_broken_into_blocks(how, run):
    record = evaluate_checkpoint(how, run, "newest")
    text = report.table([record] * 9, how.network.describe)
    assert len([line for line in text if line.startswith("images ")]) == 3
    assert max(map(len, text)) <= 110


def test_the_heading_names_protocol_network_and_data(how):
    text = " ".join(report.heading(how.protocol, how.network, how.reference))
    for part in ("tiny: 50 generated", "small", "digits", "split train", "32 pixels"):
        assert part in text
