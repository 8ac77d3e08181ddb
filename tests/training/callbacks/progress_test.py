"""What a person sees while a training goes on."""

from sagan_tf.training.callbacks.metric_log import MetricLog
from sagan_tf.training.callbacks.progress import Progress
from tests.training.callbacks.metric_log_test import CountingModel, fit


def lines_of(capsys, steps, **options):
    fit(CountingModel(3), steps, Progress(7, 1000, 10, is_terminal=False, **options))
    return capsys.readouterr().out.splitlines()


def test_without_a_terminal_there_are_early_lines_and_a_last_one(capsys):
    lines = lines_of(capsys, 105)
    assert [line.split("/")[0] for line in lines] == [
        *("step 4", "step 13", "step 103", "step 108")
    ]
    assert lines[1].startswith("step 13/1,000  d_loss ")
    assert "images/s" in lines[0] and not lines[0].endswith(" left")
    assert all(line.endswith(" left") for line in lines[1:])


def test_the_last_line_has_the_losses_of_the_last_step(capsys, tmp_path):
    """A log of each step resets the metrics after it."""

    class Model(CountingModel):
        """As a `SAGAN`, it has the metrics that its step returns."""

        @property
        def metrics(self):
            return [self.mean]

    callbacks = [Progress(7, 5, 10, is_terminal=False), MetricLog(1, tmp_path, 10)]
    fit(Model(), 5, *callbacks)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("step 5/5  d_loss ")
    assert "d_loss 0.000" not in last


def test_later_lines_come_by_the_clock(capsys):
    assert len(lines_of(capsys, 15, seconds=0)) == 15


def test_on_a_terminal_progress_is_a_bar(capsys):
    fit(CountingModel(3), 4, Progress(2, 7, 10, is_terminal=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "7/7" in captured.err
    assert "d_loss=" in captured.err
