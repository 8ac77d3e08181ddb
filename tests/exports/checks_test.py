"""What finds an export that draws something else: the export itself is a stand-in."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from sagan_tf import images
from sagan_tf.exports.checks import (
    NETWORK_TOLERANCE,
    TOLERANCE,
    compare,
    compare_images,
    warm_up_requests,
    write_warmup_requests,
)
from sagan_tf.exports.signatures import make_signatures
from sagan_tf.layers import SelfAttention
from sagan_tf.networks.builders import build_generator


@functools.cache
def painter(num_classes=5, attention=True):
    """A small network with a generator's inputs and output. Not to be changed."""
    keras.utils.set_random_seed(0)
    z = keras.Input((6,), name="z")
    labels = [keras.Input((), dtype="int32", name="labels")] if num_classes else []
    x = keras.layers.Dense(64, name="linear")(z)
    for each in labels:
        x = keras.layers.Add()([x, keras.layers.Embedding(num_classes, 64)(each)])
    x = keras.layers.Reshape((8, 8, 1))(x)
    if attention:
        layer = SelfAttention(name="attention_8x8")
        x = layer(x)
        layer.gamma.assign(1.0)
    x = keras.layers.Activation("tanh")(x)
    return keras.Model([z, *labels] if labels else z, x)


@functools.cache
def functions(num_classes, attention):
    """The painter's signatures, right ones."""
    made = make_signatures(painter(num_classes, attention), num_classes)
    return {
        name: (tf.function(function, input_signature=specs, autograph=False), specs)
        for name, (function, specs) in made.items()
    }


class StandIn:
    """Answers as a `ServedModel`; one signature can be made to err by so much."""

    def __init__(self, num_classes=5, signature=None, error=0, attention=True):
        self._functions = functions(num_classes, attention)
        self._signature, self._error = signature, error
        self.asked = []

    def run(self, signature, inputs):
        function, specs = self._functions[signature]
        assert set(inputs) == {spec.name for spec in specs}
        self.asked.append((signature, {k: v.tolist() for k, v in inputs.items()}))
        answer = function(*(inputs[spec.name] for spec in specs))
        answer = {name: value.numpy() for name, value in answer.items()}
        if signature == self._signature:
            (name,) = set(answer) - {"attention_8x8"}
            answer[name] = self._wrong(answer[name])
        return answer

    def _wrong(self, value):
        if value.dtype != object:
            return value + np.array(self._error, value.dtype)
        pixels = [tf.io.decode_png(file) + np.uint8(self._error) for file in value]
        return np.array([tf.io.encode_png(each).numpy() for each in pixels])


@pytest.mark.slow
def test_an_export_that_is_right_passes():
    served = StandIn()
    found = compare(painter(), served, 5)
    assert found["images"] <= 1e-6
    assert found["attention"] <= 1e-6
    assert found["levels"] <= 1
    assert (found["num_images"], found["tolerance"]) == (16, TOLERANCE)
    names = {name for name, _ in served.asked}
    assert names == {"serving_default", "images", "sample", "sample_png", "attention"}


@pytest.mark.parametrize("num_classes", [5, 40, 1000])
def test_every_class_is_compared_or_many_of_them(num_classes):
    served = StandIn(num_classes, attention=False)
    found = compare(painter(num_classes, attention=False), served, num_classes)
    assert found["attention"] is None
    labels = [
        label
        for name, inputs in served.asked
        if name == "images"
        for label in inputs["labels"]
    ]
    if num_classes == 1000:
        assert len(set(labels)) == 64
        assert (min(labels), max(labels)) == (0, 984)
    else:
        assert sorted(set(labels)) == [*range(num_classes)]


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        ("images", 2e-4),
        ("images", np.nan),
        ("serving_default", 2),
        ("sample", 2),
        ("sample_png", 2),
        ("attention", 2),
    ],
)
def test_an_export_that_is_wrong_is_refused(signature, error):
    served = StandIn(5, signature, error)
    with pytest.raises(ValueError, match="must draw what the generator draws") as seen:
        compare(painter(), served, 5)
    amount = "nan" if np.isnan(error) else "2.0e-04" if error < 1 else "2"
    assert amount in str(seen.value)


def test_what_rounding_does_is_allowed():
    assert compare(painter(), StandIn(5, "images", 5e-5), 5)["images"] > 4e-5
    assert compare(painter(), StandIn(5, "sample", 1), 5)["levels"] == 1


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_a_generator_of_nan_is_refused():
    broken = keras.models.clone_model(painter())
    broken.get_layer("linear").bias.assign(np.full(64, np.nan))
    with pytest.raises(ValueError, match="Received: nan"):
        compare(broken, StandIn(), 5)


@pytest.mark.slow
def test_an_unconditional_generator_is_compared():
    served = StandIn(0)
    assert compare(painter(0), served)["images"] <= 1e-6
    assert served.asked[0][1].keys() == {"z"}


class Network:
    """The painter in another runtime, which may err by so much."""

    def __init__(self, num_classes=5, error=0.0):
        self._painter, self._error = painter(num_classes), np.float32(error)
        self.counts = []

    def __call__(self, inputs):
        self.counts.append(len(inputs["z"]))
        given = [*inputs.values()] if len(inputs) > 1 else inputs["z"]
        return self._painter(given, training=False).numpy() + self._error


@pytest.mark.parametrize("num_classes", [0, 5])
def test_a_network_is_compared_in_batches_of_1_and_3_too(num_classes):
    run = Network(num_classes)
    found = compare_images(painter(num_classes), run, num_classes)
    assert run.counts == [1, 3, 8, 4]
    assert found["images"] <= 1e-6
    assert found["levels"] <= 1
    assert (found["num_images"], found["tolerance"]) == (16, NETWORK_TOLERANCE)


@pytest.mark.parametrize("error", [2e-5, np.nan])
def test_a_network_that_is_wrong_is_refused(error):
    with pytest.raises(ValueError, match="at most 1e-05 in"):
        compare_images(painter(), Network(5, error), 5)
    assert compare_images(painter(), Network(5, 5e-6), 5)["images"] > 4e-6


def test_warm_up_requests_can_be_answered():
    served, sizes = StandIn(), {}
    for name, inputs in warm_up_requests(painter(), 5):
        answer = served.run(name, inputs)
        count = len(next(iter(inputs.values())))
        assert {len(value) for value in answer.values()} == {count}
        sizes.setdefault(name, []).append(count)
    assert sizes == {
        name: [1, 8]
        for name in ("serving_default", "images", "attention", "sample", "sample_png")
    }


def test_large_attention_maps_are_not_asked_for_at_the_start():
    large = build_generator(
        64, 6, 5, 1, attention_resolution=(64,), attention_variant="paper_v1"
    )
    names = {name for name, _ in warm_up_requests(large, 5)}
    assert names == {"serving_default", "images", "sample", "sample_png"}


def test_the_stand_in_is_right_and_errs_when_told():
    (name, inputs), *_ = warm_up_requests(painter(), 5)
    assert name == "serving_default"
    right = StandIn().run(name, inputs)["pixels"]
    live = painter()([inputs["z"], inputs["labels"]], training=False)
    assert np.max(np.abs(right.astype(int) - images.to_pixels(live.numpy()))) <= 1
    wrong = StandIn(5, name, 3).run(name, inputs)["pixels"]
    assert set(np.unique(wrong - right)) == {3}


class Multiplier(tf.Module):
    def multiply(self, labels, truncation):
        return {"pixels": tf.cast(labels, tf.float32) * truncation}


@pytest.fixture
def model(tmp_path):
    module, folder = Multiplier(), tmp_path / "model"
    function = tf.function(
        module.multiply,
        input_signature=[
            tf.TensorSpec([None], tf.int32, name="labels"),
            tf.TensorSpec([None], tf.float32, name="truncation"),
        ],
    )
    tf.saved_model.save(module, str(folder), signatures={"sample": function})
    return folder


def request(labels=(3, 5), truncation=(0.5, 1.0)):
    return {"labels": np.int32(labels), "truncation": np.float32(truncation)}


def read(path):
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(each) for each in records]


def test_the_server_finds_the_requests_as_they_were_given(model):
    requests = [("sample", request()), ("sample", request([7], [0.25]))]
    path = write_warmup_requests(model, requests)
    # The name is TensorFlow Serving's (saved_model_warmup_util.h).
    assert path == model / "assets.extra" / "tf_serving_warmup_requests"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    logs = read(path)
    assert len(logs) == 2
    for log, (name, inputs) in zip(logs, requests):
        assert log.WhichOneof("log_type") == "predict_log"
        spec = log.predict_log.request.model_spec
        assert (spec.name, spec.signature_name) == ("sagan", name)
        assert set(log.predict_log.request.inputs) == set(inputs)
        for key, array in inputs.items():
            read_back = tf.make_ndarray(log.predict_log.request.inputs[key])
            assert read_back.dtype == array.dtype
            np.testing.assert_array_equal(read_back, array)


def test_new_requests_replace_the_old_ones(model):
    path = write_warmup_requests(model, [("sample", request())] * 3)
    assert len(read(path)) == 3
    write_warmup_requests(model, [("sample", request())])
    assert len(read(path)) == 1


def test_a_model_with_warm_up_still_loads(model):
    write_warmup_requests(model, [("sample", request())])
    loaded = tf.saved_model.load(str(model)).signatures["sample"]
    made = loaded(**{k: tf.constant(v) for k, v in request().items()})
    np.testing.assert_allclose(made["pixels"], [1.5, 5.0])
