"""What is done about a training that goes wrong."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.training import collapse_watch, complaints, examiner
from sagan_tf.training.callbacks.checkpoint_writer import CheckpointWriter
from sagan_tf.training.callbacks.stopping import NonfiniteStop
from sagan_tf.training.collapse_watch import CollapseWatch
from tests.training.complaints_test import good
from tests.training.examiner_test import make_batch, make_model

BAD = {"logit_gap": 9.0}


class Looks:
    """Stands for `Examiner`: each look sees the next values of a list."""

    def __init__(self, figures):
        self.left = list(figures)

    def __call__(self, model, batch):
        return self

    def examine(self):
        return self.left.pop(0)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture
def run(model, tmp_path, monkeypatch):
    """A function of the values of looks, one each two steps: model, checkpoints."""

    def run(figures, on_collapse="warn", start=0, patience=0, made_up=0):
        monkeypatch.setattr(examiner, "Examiner", Looks(figures))
        monkeypatch.setattr(complaints, "PATIENCE_LOOKS", patience)
        checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
        guard = NonfiniteStop(0)
        writer = CheckpointWriter(0, checkpoints, guard)
        watch = CollapseWatch(
            2, make_batch(), tmp_path, on_collapse, writer, checkpoints
        )
        model.step.assign(start)
        callbacks = (guard, writer, watch)
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        model.stop_training = False
        steps = 2 * (len(figures) - made_up)
        for step in range(start + 1, start + steps + 1):
            model.step.assign(step)
            model.generator.weights[0].assign(
                np.full(model.generator.weights[0].shape, step)
            )
            watch.on_train_batch_end(0)
            if model.stop_training:
                break
        for callback in callbacks:
            callback.on_train_end()
        return model, checkpoints

    run.folder = tmp_path
    return run


def lines(folder):
    text = (folder / collapse_watch.HEALTH).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_each_look_is_a_line(run):
    run([good(), good(**BAD)])
    first, second = lines(run.folder)
    assert (first["step"], second["step"]) == (2, 4)
    assert first["complaints"] == [] and second["complaints"] == ["logits"]
    assert second["logit_gap"] == 9.0


@pytest.mark.slow
def test_a_complaint_is_printed_once_and_when_it_has_gone(run, capsys):
    run([good(), good(**BAD), good(**BAD), good()])
    text = capsys.readouterr().err
    assert text.count("warning, step 4: The discriminator tells real") == 1
    assert text.count("warning") == 1
    assert "step 8: logits is no longer a problem" in text


@pytest.mark.slow
def test_what_turns_into_a_collapse_is_printed_again(run, capsys):
    run([good(diversity=0.05)] * 4, patience=2)
    text = capsys.readouterr().err
    assert "warning, step 2: Images of different z look alike" in text
    assert "warning, step 6: Images of different z look alike" in text
    assert text.count("warning") == 2


@pytest.mark.slow
def test_good_looks_say_nothing(run, capsys):
    run([good()] * 3)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_warning_does_not_stop(run):
    model, _ = run([good(**BAD)] * 4)
    assert model.stop is None and not model.stop_training
    assert len(lines(run.folder)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("action", ["stop", "rollback"])
def test_two_bad_looks_in_a_row_stop(run, action):
    model, _ = run([good(), good(**BAD), good(**BAD), good()], action)
    assert model.stop_training and int(model.step.numpy()) == 6
    assert model.stop.status == 6
    assert model.stop.reason.startswith("Collapsed by step 6. The discriminator tells")


@pytest.mark.slow
def test_one_bad_look_or_a_mere_complaint_does_not_stop(run):
    lag = {"sigma_generator/linear": 0.3}
    looks = [good(**BAD), good(), good(**BAD), good(**lag), good(**lag), good(**lag)]
    model, _ = run(looks, "stop")
    assert model.stop is None and int(model.step.numpy()) == 12


@pytest.mark.slow
def test_rollback_goes_back_to_the_last_good_look(run):
    model, checkpoints = run([good(), good(), good(**BAD), good(**BAD)], "rollback")
    assert "The run is back at step 4" in model.stop.reason
    assert checkpoints.steps() == [4]
    checkpoints.restore(4, {"generator": model.generator})
    assert np.all(model.generator.weights[0].numpy() == 4)
    assert Checkpoints(run.folder / collapse_watch.COLLAPSED).steps() == [8]


def test_without_a_good_look_there_is_nothing_to_go_back_to(run):
    model, checkpoints = run([good(**BAD), good(**BAD)], "rollback")
    assert "is back" not in model.stop.reason
    assert checkpoints.steps() == [4]


@pytest.mark.slow
def test_stop_keeps_everything_as_it_is(run):
    model, checkpoints = run([good(), good(**BAD), good(**BAD)], "stop")
    assert "is back" not in model.stop.reason
    assert checkpoints.steps() == [6]
    assert not (run.folder / collapse_watch.HEALTHY).exists()


@pytest.mark.slow
def test_a_run_that_goes_on_forgets_the_looks_after_its_checkpoint(run):
    run([good(), good(logit_gap=2.0), good(logit_gap=3.0)])
    run([good(logit_gap=4.0)], start=4)
    assert [look["step"] for look in lines(run.folder)] == [2, 4, 6]
    assert lines(run.folder)[-1]["logit_gap"] == 4.0


def test_a_look_that_a_kill_prevented_is_made_up_for(run):
    """The checkpoint of step 4 was written, its look was not."""
    run([good()])
    run([good(logit_gap=2.0), good()], start=4, made_up=1)
    assert [(x["step"], x["logit_gap"]) for x in lines(run.folder)][:2] == [
        (2, 1.5),
        (4, 2.0),
    ]
    assert [look["step"] for look in lines(run.folder)] == [2, 4, 6]


@pytest.mark.slow
def test_earlier_looks_tell_what_is_usual(run):
    run([good(gradient_norm_g=1.0)] * 2)
    run([good(gradient_norm_g=500.0)], start=4)
    assert lines(run.folder)[-1]["complaints"] == ["gradient_g"]


@pytest.mark.slow
def test_a_run_that_goes_on_knows_that_the_last_look_was_bad(run):
    run([good(), good(**BAD)], "stop")
    model, _ = run([good(**BAD), good()], "stop", start=4)
    assert model.stop.reason.startswith("Collapsed by step 6")
    assert int(model.step.numpy()) == 6


@pytest.mark.slow
def test_what_is_not_finite_is_null_and_read_back(run):
    bad = good(logit_gap=float("nan"))
    run([good(), bad], "stop")
    assert lines(run.folder)[-1]["logit_gap"] is None
    model, _ = run([bad], "stop", start=4)
    assert "logit_gap is not finite" in model.stop.reason


@pytest.mark.slow
def test_a_half_written_look_is_forgotten(run):
    run([good(), good()])
    with open(run.folder / collapse_watch.HEALTH, "a") as file:
        file.write('{"step": 5, "divers')
    run([good()], start=4)
    assert [look["step"] for look in lines(run.folder)] == [2, 4, 6]


@pytest.mark.slow
def test_the_looks_are_drawn(run):
    run(
        [
            good(gamma_g_attention_16x16=0.1),
            good(**BAD, gamma_g_attention_16x16=float("nan")),
        ]
    )
    with Image.open(run.folder / collapse_watch.PICTURE) as picture:
        assert picture.width == 1200


@pytest.mark.slow
def test_a_notebook_needs_a_batch_alone(capsys):
    model = make_model()
    model.run_eagerly = True
    images = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 1)).astype("float32")
    labels = np.arange(8, dtype="int32") % 3
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    batch = examiner.make_fixed_batch(images, labels, z_dim=5)
    watch = CollapseWatch(every=2, batch=batch)
    model.fit(dataset, callbacks=[watch], verbose=0)
    assert [look["step"] for look in watch.looks] == [2, 4]
    assert watch.looks[0]["diversity"] > 0


@pytest.mark.parametrize(
    ("action", "message"), [("rollback", "needs workdir"), ("halt", "must be one of")]
)
def test_what_cannot_be_done_about_a_collapse_is_refused(action, message):
    with pytest.raises(ValueError, match=message):
        CollapseWatch(2, make_batch(), on_collapse=action)


@pytest.mark.slow
def test_a_watched_training_has_the_weights_of_one_that_is_not(tmp_path):
    """Also with several steps in a call, and with the moving average."""
    options = {"steps_per_execution": 2, "total_steps": 8, "sample_every_steps": 8}
    for name, every in (("watched", 4), ("alone", 0)):
        assert tiny.run(tmp_path / name, watch_every_steps=every, **options) == 0
    assert [look["step"] for look in lines(tmp_path / "watched")] == [4, 8]
    assert not (tmp_path / "alone" / collapse_watch.HEALTH).exists()
    tiny.assert_same_weights(tmp_path / "watched", tmp_path / "alone", step=8)


@pytest.mark.slow
def test_a_run_that_was_rolled_back_goes_on_from_where_it_was_well(
    tmp_path, monkeypatch, capsys
):
    def is_bad(figures, earlier=()):
        return (
            [complaints.Complaint("logits", "Bad.", True)] if len(earlier) > 1 else []
        )

    options = {"watch_every_steps": 2, "on_collapse": "rollback", "total_steps": 12}
    with monkeypatch.context() as patch:
        patch.setattr(complaints, "complaints", is_bad)
        assert tiny.run(tmp_path, **options) == 6
    printed = capsys.readouterr().out
    assert "Collapsed by step 8. Bad." in printed
    assert "The run is back at step 4" in printed
    assert Checkpoints(tmp_path / "checkpoints").steps() == [4]
    assert Checkpoints(tmp_path / collapse_watch.COLLAPSED).steps() == [8]
    assert tiny.run(tmp_path, **{**options, "on_collapse": "warn"}) == 0
    assert "Resuming from step 4" in capsys.readouterr().err
    steps = [look["step"] for look in lines(tmp_path)]
    assert steps == [2, 4, 6, 8, 10, 12]
