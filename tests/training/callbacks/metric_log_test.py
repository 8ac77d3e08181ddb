"""The metrics of a run, on a fake model."""

import csv
import importlib.util
import json
import types

import keras
import pytest
import tensorflow as tf
from PIL import Image

from sagan_tf.files import append_lines
from sagan_tf.run.records import draw_metrics, json_line, read_metrics
from sagan_tf.training.callbacks.metric_log import (
    MetricLog,
    MetricPlot,
    MetricReset,
    TensorBoardLog,
)
from sagan_tf.training.callbacks.progress import Progress
from sagan_tf.training.callbacks.step_callback import StepCallback


class CountingModel(keras.Model):
    """Its loss is the number of the step; the log is the mean since the last reset."""

    def __init__(self, step=0):
        super().__init__()
        self.step = tf.Variable(step, dtype=tf.int64)
        self.mean = keras.metrics.Mean(name="d_loss")
        self.built = True

    def train_step(self, data):
        self.step.assign_add(1)
        self.mean.update_state(self.step)
        return {"d_loss": self.mean.result()}


def fit(model, steps, *callbacks):
    model.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensors(tf.zeros([1])).repeat()
    model.fit(
        data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=list(callbacks)
    )


def log(tmp_path, start, steps):
    fit(CountingModel(start), steps, MetricLog(2, tmp_path, images_per_step=10))
    return read_metrics(tmp_path / "metrics.jsonl")


def without_times(records):
    return [{k: r[k] for k in ("step", "images", "d_loss")} for r in records]


def test_a_line_is_the_mean_of_its_interval(tmp_path):
    assert without_times(log(tmp_path, 0, 5)) == [
        {"step": 2, "images": 20, "d_loss": 1.5},
        {"step": 4, "images": 40, "d_loss": 3.5},
        {"step": 5, "images": 50, "d_loss": 5.0},  # The last interval is not full.
    ]


def test_csv_and_json_lines_say_the_same(tmp_path):
    records = log(tmp_path, 0, 5)
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{k: str(v) for k, v in record.items()} for record in records]


def test_a_resumed_run_ends_with_the_lines_of_an_unbroken_one(tmp_path):
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    expected = without_times(log(unbroken, 0, 8))
    log(tmp_path, 0, 7)  # As if killed after step 7; the last checkpoint is of step 4.
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 8, "ima')
    assert without_times(log(tmp_path, 4, 4)) == expected
    with open(tmp_path / "metrics.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4", "6", "8"]


def test_the_speed_is_that_of_training_steps_alone(tmp_path, monkeypatch, capsys):
    clock = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(
        "sagan_tf.training.callbacks.metric_log.time",
        types.SimpleNamespace(monotonic=lambda: clock.seconds),
    )

    class Slow(CountingModel):
        def train_step(self, data):
            clock.seconds += 2
            return super().train_step(data)

    class Evaluation(StepCallback):
        def at_step(self, step, logs):
            clock.seconds += 1000

    progress = Progress(2, 4, images_per_step=10, is_terminal=False)
    fit(Slow(), 4, progress, MetricLog(2, tmp_path, 10), Evaluation(2))
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [record["images_per_second"] for record in records] == [5.0, 5.0]
    assert capsys.readouterr().out.count("  5.0 images/s") == 2


def test_json_has_null_for_what_is_not_a_number(tmp_path):
    callback = MetricLog(1, tmp_path, images_per_step=10)
    callback.set_model(CountingModel())
    callback.on_train_begin()
    callback.at_step(1, {"d_loss": float("nan")})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line)["d_loss"] is None


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="tensorboard is missing"
)
def test_tensorboard_gets_every_metric(tmp_path):
    fit(CountingModel(), 4, TensorBoardLog(2, tmp_path))
    (path,) = tmp_path.iterdir()
    events = [
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert events == [(2, "d_loss"), (4, "d_loss")]


def test_metrics_and_evaluations_become_a_picture(tmp_path):
    draw_metrics(tmp_path)
    assert list(tmp_path.iterdir()) == []
    fit(CountingModel(), 4, MetricLog(2, tmp_path, 10), MetricPlot(0, tmp_path))
    size = Image.open(tmp_path / "metrics.png").size
    record = {
        "step": 2,
        "protocol": {"name": "quick-5k"},
        "network": {"name": "digits-cnn"},
        "metrics": {"fid": 3.0, "precision": 0.5},
    }
    append_lines(tmp_path / "evaluations.jsonl", json_line(record))
    draw_metrics(tmp_path)
    taller = Image.open(tmp_path / "metrics.png").size
    assert taller[0] == size[0] == 1200
    assert taller[1] > size[1]


def test_a_run_draws_at_intervals_and_at_its_end(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "sagan_tf.training.callbacks.metric_log.draw_metrics", drawn.append
    )
    fit(CountingModel(), 5, MetricPlot(2, tmp_path))
    assert drawn == [tmp_path] * 3


def test_means_start_anew_where_no_files_are_written():
    model, other = CountingModel(), CountingModel()
    fit(model, 5, MetricReset(2))
    fit(other, 5)
    means = [float(each.mean.result()) for each in (model, other)]
    assert means == [5.0, 3.0]
