"""What a person sees while a training goes on."""

from sagan_tf.training.callbacks.progress import Progress
from tests.training.callbacks.metric_log_test import CountingModel, fit


def test_without_a_terminal_progress_is_one_line_an_interval(capsys):
    fit(CountingModel(), 4, Progress(2, 1000, 10, is_terminal=False))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("step 2/1,000  d_loss 1.500  ")
    assert "images/s" in lines[0]
    assert lines[0].endswith(" left")


def test_on_a_terminal_progress_is_a_bar(capsys):
    fit(CountingModel(3), 4, Progress(2, 7, 10, is_terminal=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "7/7" in captured.err
    assert "d_loss=" in captured.err
