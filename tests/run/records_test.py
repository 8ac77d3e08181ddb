"""The files of a run that grow by lines."""

import pytest

from sagan_tf.run.records import read_metrics


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"st\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl is damaged"):
        read_metrics(tmp_path / "metrics.jsonl")
