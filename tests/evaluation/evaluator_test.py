"""Scoring runs, images and exports; what is written, and what is left out."""

import dataclasses
import itertools
import json
import math
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import references
from sagan_tf.evaluation.comparison import TITLES
from sagan_tf.evaluation.evaluator import (
    How,
    open_how,
    recorded,
    score_network,
    score_samples,
    score_saved_model,
)
from sagan_tf.evaluation.protocols import Protocol
from sagan_tf.evaluation.runs import evaluate_all, evaluate_checkpoint, watch
from sagan_tf.model import latents
from sagan_tf.run import building, directory
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.settings.config import Config
from tests.evaluation.small_network import small_network

CONFIG = Config(
    dataset="digits",
    split="train",
    resolution=32,
    image_channels=1,
    num_classes=10,
    z_dim=8,
    generator_channels=2,
    discriminator_channels=2,
    attention_resolution=(16,),
    ema_decay=0.5,
    total_steps=30,
)
PROTOCOL = Protocol("tiny", "a test", num_real=60, num_fake=50, quantize=True)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "stats.npz"
    return references.make_reference(CONFIG, PROTOCOL, small_network(), path)


def write_checkpoint(workdir, step):
    tf.keras.utils.set_random_seed(step)
    generator, _ = building.networks_from_config(CONFIG)
    items = {"generator": generator, "ema_generator": generator}
    Checkpoints(workdir / "checkpoints", keep=9).write(step, items)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with checkpoints of steps 10, 20 and 30. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    directory.prepare(workdir, CONFIG, {"class_names": []})
    for step in (10, 20, 30):
        write_checkpoint(workdir, step)
    return workdir


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def how(reference):
    return make_how(reference)


def make_how(reference, protocol=PROTOCOL, intra_fid=False):
    return How(protocol, small_network(), reference, intra_fid)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_record_says_what_was_scored_and_how(how, run):
    record = evaluate_checkpoint(how, run, "newest")
    assert lines(run / "evaluations.jsonl") == [record]
    assert (record["subject"], record["step"]) == ("checkpoint", 30)
    assert (record["num_fake"], record["num_real"]) == (50, 60)
    assert set(record["metrics"]) == set(TITLES) - {"intra_fid", "kid_standard_error"}
    assert all(math.isfinite(value) for value in record["metrics"].values())
    assert record["protocol"]["name"] == "tiny"
    assert record["protocol"]["num_fake"] == 50
    assert record["network"]["name"] == "small"
    assert record["network"]["hash"] == small_network().hash
    assert record["reference"]["content_hash"] == how.reference.about["content_hash"]
    assert record["versions"]["tensorflow"] == tf.__version__
    assert record["images_per_second"] > 0
    assert (run / "metrics.png").stat().st_size > 1000


@pytest.mark.slow
def test_pictures_of_a_run_score_as_the_run_does(how, run, tmp_path):
    """The rounded images of the protocol, through PNG files and class folders."""
    record = evaluate_checkpoint(how, run, "20")
    generator, *_ = building.load_generator(run, "20")
    indices = range(PROTOCOL.num_fake)
    labels = latents.draw_labels(indices, 10, PROTOCOL.seed)
    z = latents.draw_z(indices, 8, PROTOCOL.seed)
    pixels = images.to_pixels(generator([z, labels], training=False)).numpy()
    for index, (picture, label) in enumerate(zip(pixels, labels.numpy(), strict=True)):
        folder = tmp_path / "pictures" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        images.write_png(folder / f"{index:03}.png", picture)
    other = score_samples(f"folder:{tmp_path / 'pictures'}", how)
    assert other["step"] is None
    # The order is another one: by class.
    for name in ("fid", "precision", "recall", "density", "coverage", "class_accuracy"):
        assert other["metrics"][name] == pytest.approx(record["metrics"][name], 1e-4)


def test_fewer_pictures_than_asked_for_are_named(how, run):
    record = score_samples("digits", how, "test")
    assert record["num_fake"] == 50
    assert not [w for w in record["warnings"] if "asks for" in w]
    many = make_how(how.reference, PROTOCOL.changed({"num_fake": 400}))
    record = score_samples("digits", many, "test")
    assert record["num_fake"] < 400
    assert [w for w in record["warnings"] if "asks for 400 images" in w]


@pytest.mark.slow
def test_real_pictures_are_closer_than_an_untrained_generator(how, run):
    real = score_samples("digits", how, "test")["metrics"]
    made = evaluate_checkpoint(how, run, "newest")["metrics"]
    assert real["fid"] < made["fid"] / 5
    assert real["coverage"] > made["coverage"]


def test_labels_of_other_classes_are_not_used(how, run, tmp_path):
    for name in ("left", "right"):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for index in range(4):
            random = np.random.default_rng(index)
            picture = random.integers(0, 255, (9, 9, 1), np.uint8)
            images.write_png(folder / f"{index}.png", picture)
    record = score_samples(f"folder:{tmp_path / 'pictures'}", how)
    assert "class_accuracy" not in record["metrics"]


@pytest.mark.slow
def test_all_scores_what_has_no_record(how, run):
    assert recorded(run / "evaluations.jsonl", how) == {}
    evaluate_checkpoint(how, run, "20")
    records = list(evaluate_all(how, run, [10, 20]))
    assert [r["step"] for r in records] == [10, 20]
    assert [line["step"] for line in lines(run / "evaluations.jsonl")] == [20, 10]


@pytest.mark.slow
def test_records_of_another_way_do_not_count(how, run):
    evaluate_checkpoint(how, run, "20")
    log = run / "evaluations.jsonl"
    assert set(recorded(log, how)) == {20}
    for other in (
        make_how(how.reference, PROTOCOL.changed({"num_fake": 51})),
        make_how(how.reference, intra_fid=True),
        How(PROTOCOL, small_network(seed=1), how.reference),
    ):
        assert recorded(log, other) == {}
    # Where the file of the reference lies does not matter.
    moved = references.Reference(
        how.reference.summary, how.reference.about, "elsewhere"
    )
    assert set(recorded(log, make_how(moved))) == {20}


@pytest.mark.slow
def test_a_line_that_was_cut_off_is_not_a_record(how, run):
    evaluate_checkpoint(how, run, "20")
    log = run / "evaluations.jsonl"
    with open(log, "a") as file:
        file.write('{"subject": "checkp')
    assert set(recorded(log, how)) == {20}
    evaluate_checkpoint(how, run, "10")
    assert [line["step"] for line in lines(log)] == [20, 10]


@pytest.mark.slow
def test_watching_scores_each_new_checkpoint_until_the_last(
    how, finished, tmp_path, monkeypatch
):
    workdir = tmp_path / "run"
    directory.prepare(workdir, CONFIG, {"class_names": []})
    folder = workdir / "checkpoints"
    looks = []

    def meanwhile(seconds):
        looks.append(seconds)
        step = 10 * len(looks)
        source = finished / "checkpoints" / f"step_{step:08d}"
        shutil.copytree(source, folder / source.name)
        if step == 20:  # Rotated away before anybody looked.
            (folder / source.name / "checkpoint.json").unlink()

    clock = types.SimpleNamespace(sleep=meanwhile)
    monkeypatch.setattr("sagan_tf.evaluation.runs.time", clock)
    records = list(watch(how, workdir, every_seconds=7))
    assert [record["step"] for record in records] == [10, 30]
    assert looks == [7, 7, 7]
    assert list(watch(how, workdir)) == []


@pytest.mark.slow
def test_a_watched_checkpoint_that_cannot_be_read_is_named(
    how, finished, tmp_path, monkeypatch, capsys
):
    workdir = shutil.copytree(finished, tmp_path / "run")
    (workdir / "checkpoints" / "step_00000020" / "checkpoint.json").unlink()
    list(watch(how, workdir))
    assert "step 20 is left out" in capsys.readouterr().err


@pytest.mark.slow
def test_intra_fid_is_measured_when_asked_for(reference, run):
    protocol = PROTOCOL.changed({"num_fake": 200})
    how = make_how(reference, protocol, intra_fid=True)
    record = evaluate_checkpoint(how, run, "newest")
    assert record["metrics"]["intra_fid"] > record["metrics"]["fid"]


@pytest.mark.slow
def test_the_best_checkpoint_can_be_named(how, run):
    with pytest.raises(ValueError, match="no best checkpoint"):
        evaluate_checkpoint(how, run, "best")
    Checkpoints(run / "checkpoints").keep_aside(20, run / "best")
    shutil.rmtree(run / "checkpoints" / "step_00000020")
    assert building.checkpoint_steps(run) == [10, 20, 30]
    assert evaluate_checkpoint(how, run, "best")["step"] == 20
    assert evaluate_checkpoint(how, run, "20")["step"] == 20


@pytest.mark.slow
def test_an_export_is_scored_as_its_generator(reference, run, tmp_path):
    how = make_how(reference)
    generator, *_ = building.load_generator(run)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 8], tf.float32, name="z"),
            tf.TensorSpec([None], tf.int32, name="labels"),
        ]
    )
    def serve(z, labels):
        return images.to_pixels(generator([z, labels], training=False))

    module = tf.Module()
    module.variables_of_generator = [v.value for v in generator.variables]
    tf.saved_model.save(module, str(tmp_path / "1"), {"serving_default": serve})
    exported = score_saved_model(tmp_path / "1", how)["metrics"]
    live = evaluate_checkpoint(how, run, "newest")["metrics"]
    assert exported["fid"] == pytest.approx(live["fid"], 1e-4)
    assert exported["class_accuracy"] == live["class_accuracy"]


def test_an_export_of_other_images_is_refused(reference, tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec([None, 8], tf.float32, name="z")
    paint = tf.function(lambda z: tf.zeros([len(z), 32, 32, 1]), [spec])
    tf.saved_model.save(module, str(tmp_path), {"serving_default": paint})
    for other in ({"resolution": 64}, {"image_channels": 3}):
        real = references.Reference(
            reference.summary, {**reference.about, **other}, reference.path
        )
        with pytest.raises(BadInput, match=r"images like.*stats.npz.*\(32, 32, 1\)"):
            score_saved_model(tmp_path, make_how(real))


def test_intra_fid_is_refused_before_anything_is_generated(reference, monkeypatch):
    def unwanted(*args, **kwargs):
        raise AssertionError("images were generated")

    monkeypatch.setattr("sagan_tf.evaluation.scoring.summarize_generator", unwanted)
    how = make_how(reference, intra_fid=True)
    generator, _ = building.networks_from_config(CONFIG.replace(num_classes=0))
    with pytest.raises(ValueError, match="generator with classes"):
        score_network(generator, how, 0, 1)
    unlabelled = references.Reference(
        reference.summary, {**reference.about, "num_classes": 0}, reference.path
    )
    with pytest.raises(ValueError, match="real images without any"):
        make_how(unlabelled, intra_fid=True)


@pytest.mark.slow
def test_tensorboard_shows_a_curve_for_each_metric(how, run):
    pytest.importorskip("tensorboard")
    record = evaluate_checkpoint(how, run, "20")
    (events,) = (run / "tensorboard").iterdir()
    found = {
        value.tag: (event.step, tf.make_ndarray(value.tensor).item())
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    step, fid = found["evaluation/tiny/small/fid"]
    assert (step, fid) == (20, pytest.approx(record["metrics"]["fid"]))
    assert len(found) == len(record["metrics"])


def test_pictures_are_not_taken_in_the_order_of_their_classes(
    reference, tmp_path, monkeypatch
):
    for name in "0123456789":
        (tmp_path / name).mkdir()
        for index in range(3):
            picture = np.full((8, 8, 1), 20 * int(name) + index, np.uint8)
            images.write_png(tmp_path / name / f"{index}.png", picture)
    seen = []

    def compare(fake, *args):
        seen.append(fake.labels.tolist())
        return {"fid": 0.0, "fid_exact": 0.0}

    monkeypatch.setattr("sagan_tf.evaluation.evaluator.comparison.compare", compare)
    for _ in range(2):
        score_samples(f"folder:{tmp_path}", make_how(reference))
    assert sorted(seen[0]) == [label for label in range(10) for _ in range(3)]
    assert seen[0] != sorted(seen[0])
    assert seen[1] == seen[0]


def write_pictures(folder, count=9):
    """Good images of several kinds, and two that cannot be read."""
    folder.mkdir()
    for index, kind in zip(range(count), itertools.cycle(["png", "gif", "bmp"])):
        pixels = np.full((8, 8), 20 * index, np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.{kind}")
    (folder / "cut.gif").write_bytes((folder / "1.gif").read_bytes()[:40])
    (folder / "text.webp").write_bytes(b"<html>Not found</html>")


def test_samples_that_cannot_be_read_are_named_or_left_out(
    reference, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(
        "sagan_tf.evaluation.evaluator.comparison.compare",
        lambda *args: {"fid": 0.0, "fid_exact": 0.0},
    )
    write_pictures(tmp_path / "pictures")
    dataset, how = f"folder:{tmp_path / 'pictures'}", make_how(reference)
    with pytest.raises(BadInput, match=r"pictures/(cut.gif|text.webp): .*--skip_bad"):
        score_samples(dataset, how)
    record = score_samples(dataset, how, skip_bad_images=True)
    assert record["num_fake"] == 9
    for name in ("cut.gif: ", "text.webp: "):
        assert caplog.text.count(name) == 1


def test_the_reference_of_a_start_that_failed_is_made_again(tmp_path, monkeypatch):
    """Not that of a run, which may have been evaluated with it."""
    network = small_network()
    name = "sagan_tf.evaluation.features.of_run.open_feature_network"
    monkeypatch.setattr(name, lambda spec, place: network)
    other = dataclasses.replace(CONFIG, resolution=64)
    assert open_how(tmp_path, other).reference.about["resolution"] == 64
    assert open_how(tmp_path, CONFIG).reference.about["resolution"] == 32
    directory.prepare(tmp_path, CONFIG, {"class_names": []})
    with pytest.raises(ValueError, match="do not fit: "):
        open_how(tmp_path, other)
