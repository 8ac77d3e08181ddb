"""The command `export` on a tiny run, and readers that need nothing of this package.

The readers: `saved_model_cli` where neither this package nor Keras can be imported, a C
program that is linked against TensorFlow's libraries, and OpenVINO.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import keras
import numpy as np
import openvino
import pytest
import tensorflow as tf
import tiny
import yaml
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from sagan_tf import export, images, sample
from sagan_tf.evaluation.saved_generator import open_saved_generator
from sagan_tf.exports import checks
from sagan_tf.exports.served_model import ServedModel
from sagan_tf.model import latents
from sagan_tf.run import building

STEPS, Z_DIM = tiny.FLAGS["total_steps"], tiny.FLAGS["z_dim"]
LABELS = np.array([0, 9, 3, 3, 7], np.int32)
SEEDS = np.array([4, 0, 2**33, 7, 1], np.int64)
Z = np.random.default_rng(0).normal(size=(5, Z_DIM)).astype(np.float32)
# After so few steps pictures are gray all over, without this.
LIVELY = {
    "generator_learning_rate": 0.01,
    "batch_norm_momentum": 0.5,
    "final_batch_norm_momentum": 0.5,
}

pytestmark = pytest.mark.slow


def command(**values):
    return export.main(["export", *(f"--{k}={v}" for k, v in values.items())])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a run. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    assert tiny.run(workdir, **LIVELY) == 0
    return workdir


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The folder of its export. Not to be changed."""
    folder = tmp_path_factory.mktemp("models") / "digits" / "1"
    assert command(workdir=run, output=folder) == 0
    return folder


@pytest.fixture(scope="module")
def live(run):
    """The pictures of Z and LABELS by the generator itself: float32."""
    generator, *_ = building.load_generator(run)
    return generator([Z, LABELS], training=False).numpy()


def levels(pixels, live):
    """By how many of 256 levels pixels differ at most."""
    expected = images.to_pixels(live).astype(int)
    assert pixels.dtype == np.uint8
    assert np.std(expected) > 10
    return np.max(np.abs(pixels - expected))


def record(folder):
    return json.loads((folder / "export.json").read_text())


# What the command does.


def test_the_export_says_where_it_comes_from(exported, run):
    told = record(exported)
    assert (told["step"], told["ema"], told["checkpoint"]) == (STEPS, True, "newest")
    assert told["config"] == json.loads((run / "config.json").read_text())
    assert told["class_names"] == [str(digit) for digit in range(10)]
    assert told["evaluations"] == []
    assert [v["from_step"] for v in told["trained_with"]] == [0]
    assert told["difference"]["images"] < 1e-4
    card = (exported / "model_card.md").read_text()
    assert "These weights have not been evaluated." in card
    assert "averaged weights (EMA) of step 24" in card
    assert "digits" in card


def test_the_export_has_the_averaged_weights(exported, run, live):
    weights, *_ = building.load_generator(run, ema=False)
    others = weights([Z, LABELS], training=False).numpy()
    assert np.max(np.abs(others - live)) > 1e-3
    with ServedModel(exported) as served:
        made = served.run("images", {"z": Z, "labels": LABELS})["images"]
    np.testing.assert_allclose(made, live, atol=1e-4)


def test_the_weights_as_trained_of_an_earlier_step(run, tmp_path, capsys):
    before = tmp_path / "1"
    before.mkdir()
    for name in ("export.json", "saved_model.pb"):
        (before / name).write_text("old")
    options = {"checkpoint": 20, "ema": False, "warmup": False, "overwrite": True}
    options["standing_batches"] = 2
    assert command(workdir=run, output=before, **options) == 0
    assert "step 20, weights" in capsys.readouterr().out
    told = record(before)
    assert (told["step"], told["ema"], told["checkpoint"]) == (20, False, "20")
    assert not (before / checks.REQUESTS_PATH).exists()
    assert "standing batch-norm" in (before / "model_card.md").read_text()
    generator, *_ = building.load_generator(run, 20, ema=False, standing_batches=2)
    expected = generator([Z, LABELS], training=False)
    with ServedModel(before) as served:
        made = served.run("images", {"z": Z, "labels": LABELS})["images"]
    np.testing.assert_allclose(made, expected, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_another_format_has_the_weights_that_were_asked_for(run, tmp_path, capsys):
    folder = tmp_path / "keras"
    options = {"format": "keras", "checkpoint": 20, "ema": False, "standing_batches": 2}
    assert command(workdir=run, output=folder, **options) == 0
    assert "Loaded again, by Keras 3" in capsys.readouterr().out
    told = record(folder)
    assert (told["format"], told["step"], told["ema"]) == ("keras", 20, False)
    generator, *_ = building.load_generator(run, 20, ema=False, standing_batches=2)
    expected = generator([Z, LABELS], training=False)
    made = keras.saving.load_model(folder)([Z, LABELS])["images"]
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert np.std(made) > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["keras"]


def test_a_seed_is_the_image_of_the_command_sample(exported, run, tmp_path):
    for seed, label, truncation in ((5, 3, None), (6, 0, 0.5)):
        output = tmp_path / f"{seed}.png"
        chosen = [] if truncation is None else [f"--truncation={truncation}"]
        drawn = [f"--workdir={run}", f"--seeds={seed}", f"--labels={label}", *chosen]
        assert sample.main(["sample", *drawn, f"--output={output}"]) == 0
        # The command enlarges small pictures: each pixel is a square of 2 x 2.
        expected = np.asarray(Image.open(output))[::2, ::2].astype(int)
        request = {
            "labels": np.array([label, 1], np.int32),
            "seeds": np.array([seed, 8], np.int64),
            "truncation": np.array([truncation or 0, 0], np.float32),
        }
        with ServedModel(exported) as served:
            (file, _) = served.run("sample_png", request)["png_bytes"]
        made = tf.io.decode_png(file).numpy()[..., 0]
        assert expected.std() > 10
        assert np.max(np.abs(made - expected)) <= 1


def test_loaded_by_tensorflow_it_answers_all_signatures(exported, live):
    model = tf.saved_model.load(str(exported)).signatures
    assert set(model) == {
        *("serving_default", "images", "sample", "sample_png", "attention")
    }
    from_z = {"z": tf.constant(Z), "labels": tf.constant(LABELS)}
    assert levels(model["serving_default"](**from_z)["pixels"].numpy(), live) <= 1
    np.testing.assert_allclose(model["images"](**from_z)["images"], live, atol=1e-4)
    seen = model["attention"](**from_z)
    assert seen["attention_16x16"].shape == (5, 16, 16, 8, 8)
    np.testing.assert_allclose(
        tf.reduce_sum(seen["attention_16x16"], (3, 4)), 1, atol=1e-5
    )
    assert levels(seen["pixels"].numpy(), live) <= 1
    from_seeds = {
        "labels": tf.constant(LABELS),
        "seeds": tf.constant(SEEDS),
        "truncation": tf.zeros(5),
    }
    pixels = model["sample"](**from_seeds)["pixels"].numpy()
    files = model["sample_png"](**from_seeds)["png_bytes"].numpy()
    np.testing.assert_array_equal(
        pixels, [tf.io.decode_png(file).numpy() for file in files]
    )
    for i in range(5):
        one = {name: value[i : i + 1] for name, value in from_seeds.items()}
        np.testing.assert_array_equal(model["sample"](**one)["pixels"][0], pixels[i])


def test_it_can_be_evaluated(exported, live):
    generate, num_classes = open_saved_generator(exported)
    assert (num_classes, generate.z_dim) == (10, Z_DIM)
    np.testing.assert_allclose(generate(Z, LABELS), live, atol=1.5 / 127.5)


def test_warm_up_requests_are_of_every_signature(exported):
    path = str(exported / checks.REQUESTS_PATH)
    assert sum(1 for _ in tf.data.TFRecordDataset(path)) == 10


def test_what_is_known_of_a_run_is_in_the_card(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    line = {
        "subject": "checkpoint",
        "step": STEPS,
        "num_fake": 300,
        "num_real": 200,
        "metrics": {"fid": 12.3456},
        "warnings": [],
        "protocol": {"name": "quick-5k", "ema": True, "standing_batches": 0},
        "network": {"name": "cnn", "hash": "0123456789ab", "is_inception": False},
        "reference": {"description": "digits", "content_hash": "ba9876543210"},
    }
    other = {**line, "step": 20, "metrics": {"fid": 99.0}}
    text = "".join(json.dumps(each) + "\n" for each in (line, other))
    (copy / "evaluations.jsonl").write_text(text)
    imported = {
        **{"from": "biggan-pytorch", "written_by": "BigGAN", "step": 5, "notes": []},
        **{"files": [{"name": "G.pth", "sha256": "0011", "bytes": 3}]},
        "translated": {},
    }
    (copy / "import.json").write_text(json.dumps(imported))
    assert command(workdir=copy, output=tmp_path / "1", warmup=False) == 0
    told = record(tmp_path / "1")
    assert told["evaluations"] == [line]
    assert told["imported"] == {k: v for k, v in imported.items() if k != "translated"}
    card = (tmp_path / "1" / "model_card.md").read_text()
    assert "| FID | 12.35 |" in card
    header = yaml.safe_load(card.split("---\n")[1])
    (result,) = header["model-index"][0]["results"]
    assert (result["metrics"][0]["type"], result["metrics"][0]["value"]) == (
        "fid",
        12.3456,
    )
    assert "a checkpoint of BigGAN, step 5: G.pth (sha256 0011)" in card
    assert "99" not in card.split("## Evaluation")[1]


def test_a_run_in_mixed_precision_without_classes_in_colour(tmp_path, capsys):
    workdir, folder = tmp_path / "run", tmp_path / "models" / "newest"
    changes = {
        "dtype_policy": "mixed_bfloat16",
        "num_classes": 0,
        "image_channels": 3,
        "spectral_norm": "discriminator",
        "total_steps": 4,
    }
    assert tiny.run(workdir, **LIVELY, **changes) == 0
    # As the training has left it, in this process.
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert command(workdir=workdir, output=folder) == 0
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert f"Try --output={folder / '1'} to serve it" in capsys.readouterr().out
    told = record(folder)
    assert list(told["signatures"]["sample"]["inputs"]) == ["seeds", "truncation"]
    keras.config.set_dtype_policy("float32")
    generator, *_ = building.load_generator(workdir)
    expected = generator(Z, training=False).numpy()
    assert expected.shape == (5, 32, 32, 3)
    with ServedModel(folder) as served:
        made = served.run("images", {"z": Z})["images"]
        files = served.run("sample_png", {"seeds": SEEDS, "truncation": np.zeros(5)})
    np.testing.assert_allclose(made, expected, atol=1e-4)
    z = latents.draw_z(SEEDS, Z_DIM)
    drawn = images.to_pixels(generator(z, training=False)).numpy().astype(int)
    for file, pixels in zip(files["png_bytes"], drawn, strict=True):
        assert np.max(np.abs(tf.io.decode_png(file).numpy() - pixels)) <= 1
    assert open_saved_generator(folder)[1] == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"workdir": ""}, "--workdir is needed"),
        ({"output": ""}, "--output is needed"),
        ({"workdir": "/nowhere"}, "no config.json"),
        ({"checkpoint": "5"}, "no checkpoint of step 5"),
        ({"checkpoint": "last"}, "checkpoint must be newest, best"),
        ({"checkpoint": "best"}, "no best checkpoint"),
        ({"ema": "perhaps"}, "ema"),
        ({"label": "3"}, "label"),
        ({"format": "tflite"}, "saved_model, onnx, litert, openvino, keras, web"),
        ({"onnxruntime_web": "/nowhere"}, "goes with --format=web"),
        (
            {"format": "web", "onnxruntime_web": "/nowhere"},
            "Received: /nowhere. Try npm install onnxruntime-web",
        ),
        (
            {"format": "keras", "warmup": "true"},
            "Received: --warmup and --format=keras",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_one_line(run, tmp_path, capsys, given, words):
    options = {"workdir": run, "output": tmp_path / "models" / "1", **given}
    assert command(**options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert not list(tmp_path.iterdir())


def test_an_export_is_not_replaced_unasked(exported, run, capsys):
    before = {path: path.stat().st_mtime_ns for path in exported.rglob("*")}
    assert command(workdir=run, output=exported) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Try --output={exported.with_name('2')}, or --overwrite" in line
    assert before == {path: path.stat().st_mtime_ns for path in exported.rglob("*")}


def test_a_damaged_checkpoint_leaves_nothing(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    data = copy / "checkpoints" / f"step_{STEPS:08d}" / "variables.data-00000-of-00001"
    data.write_bytes(b"0" * data.stat().st_size)
    options = {"workdir": copy, "output": tmp_path / "models" / "1"}
    assert command(checkpoint=STEPS, **options) == 2
    assert "is damaged" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


# Readers that need nothing of this package.


@pytest.fixture(scope="module")
def nothing_else(tmp_path_factory):
    """An environment in which this package and Keras cannot be imported."""
    shadows = tmp_path_factory.mktemp("shadows")
    for name in ("sagan_tf", "keras", "tf_keras"):
        (shadows / name).mkdir()
        (shadows / name / "__init__.py").write_text("raise ImportError('kept out')")
    environment = {**os.environ, "PYTHONPATH": str(shadows)}
    for name in ("sagan_tf", "keras"):
        found = subprocess.run(
            [sys.executable, "-c", f"import {name}"],
            cwd=shadows,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert "ImportError: kept out" in found.stderr
    return environment


def saved_model_cli(folder, signature, inputs, outdir, environment):
    """Runs TensorFlow's own command; returns its outputs, arrays by name."""
    outdir.mkdir()
    named = []
    for name, value in inputs.items():
        np.save(outdir / f"in_{name}.npy", value)
        named.append(f"{name}={outdir / f'in_{name}.npy'}")
    program = pathlib.Path(sysconfig.get_path("scripts")) / "saved_model_cli"
    found = subprocess.run(
        [
            *(program, "run", "--dir", folder, "--tag_set", "serve"),
            *("--signature_def", signature, "--inputs", ";".join(named)),
            *("--outdir", outdir),
        ],
        env=environment,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise RuntimeError(found.stderr)
    return {
        path.stem: np.load(path, allow_pickle=True)
        for path in outdir.glob("*.npy")
        if not path.name.startswith("in_")
    }


def test_saved_model_cli_draws_the_same(exported, live, tmp_path, nothing_else):
    from_z = {"z": Z, "labels": LABELS}
    made = saved_model_cli(
        exported, "serving_default", from_z, tmp_path / "a", nothing_else
    )
    assert set(made) == {"pixels"}
    assert levels(made["pixels"], live) <= 1
    request = {"labels": LABELS, "seeds": SEEDS, "truncation": np.zeros(5, np.float32)}
    made = saved_model_cli(
        exported, "sample_png", request, tmp_path / "b", nothing_else
    )
    with ServedModel(exported) as served:
        expected = served.run("sample_png", request)
    assert made["png_bytes"].tolist() == expected["png_bytes"].tolist()


def test_saved_model_cli_is_told_what_is_wrong(exported, tmp_path, nothing_else):
    inputs = {"z": Z, "labels": LABELS + 1}
    with pytest.raises(RuntimeError, match="labels must be from 0 to 9"):
        saved_model_cli(exported, "images", inputs, tmp_path / "a", nothing_else)


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    """Runs the C program: folder, inputs, outputs -> arrays; errors are raised."""
    if shutil.which("gcc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    folder = tmp_path_factory.mktemp("c")
    library = pathlib.Path(tf.sysconfig.get_lib())
    if not (library / "libtensorflow_cc.so.2").exists():
        pytest.skip("needs TensorFlow's wheel for Linux, which has the C API")
    source = pathlib.Path(__file__).parent / "serving" / "load_saved_model.c"
    subprocess.run(
        [
            *("gcc", "-Wall", "-Wextra", "-Werror", "-o", folder / "load", source),
            f"-I{tf.sysconfig.get_include()}",
            library / "libtensorflow_cc.so.2",
            library / "libtensorflow_framework.so.2",
            f"-Wl,-rpath,{library}",
        ],
        check=True,
    )

    def run(model, signature, inputs, outputs):
        found = saved_model_pb2.SavedModel.FromString(
            (model / "saved_model.pb").read_bytes()
        )
        definition = found.meta_graphs[0].signature_def[signature]
        arguments = [folder / "load", model]
        for name, value in inputs.items():
            value.tofile(folder / name)
            sizes = "x".join(str(size) for size in value.shape)
            dtype = tf.dtypes.as_dtype(value.dtype).as_datatype_enum
            tensor = definition.inputs[name].name
            arguments += [tensor, str(dtype), sizes, folder / name]
        arguments.append("--")
        for name in outputs:
            arguments += [definition.outputs[name].name, folder / name]
        done = subprocess.run(arguments, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        made = {}
        for name, line in zip(outputs, done.stdout.splitlines(), strict=True):
            dtype, *shape = (int(number) for number in line.split())
            dtype = tf.dtypes.as_dtype(dtype).as_numpy_dtype
            made[name] = np.fromfile(folder / name, dtype).reshape(shape)
        return made

    return run


def test_a_c_program_draws_the_same(exported, live, c_program):
    from_z = {"z": Z, "labels": LABELS}
    request = {"labels": LABELS, "seeds": SEEDS, "truncation": np.zeros(5, np.float32)}
    pixels = c_program(exported, "serving_default", from_z, ["pixels"])["pixels"]
    assert levels(pixels, live) <= 1
    sampled = c_program(exported, "sample", request, ["pixels"])["pixels"]
    seen = c_program(exported, "attention", from_z, ["attention_16x16", "pixels"])
    with ServedModel(exported) as served:
        # The same program, TensorFlow, on the same machine: the same bits.
        np.testing.assert_array_equal(
            pixels, served.run("serving_default", from_z)["pixels"]
        )
        np.testing.assert_array_equal(sampled, served.run("sample", request)["pixels"])
        expected = served.run("attention", from_z)["attention_16x16"]
    # On a processor with AVX2 only, the map differs between the two by rounding.
    np.testing.assert_allclose(seen["attention_16x16"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("z", "labels", "words"),
    [
        (Z, LABELS + 1, r"labels must be from 0 to 9. Received:\] \[1 10 4 4 8\]"),
        (Z, LABELS - 1, "labels must be from 0 to 9"),
        (Z, LABELS[:1], "must have equal lengths"),
        (Z[:1], LABELS, "must have equal lengths"),
        (Z[:0], LABELS[:0], "must have equal lengths, 1 or more"),
        (Z[:, :4], LABELS, r"\[5,4\] is not compatible with expected shape \[\?,8\]"),
        (Z[:, None], LABELS, r"\[5,1,8\] is not compatible"),
        (Z, LABELS[:, None], r"\[5,1\] is not compatible"),
    ],
)
def test_a_server_refuses_what_is_wrong(exported, c_program, z, labels, words):
    """Nothing before the graph itself looks at shapes here. Code 3: InvalidArgument."""
    inputs = {"z": np.ascontiguousarray(z), "labels": np.ascontiguousarray(labels)}
    with pytest.raises(RuntimeError, match=f"code 3: .*{words}"):
        c_program(exported, "serving_default", inputs, ["pixels"])


def test_openvino_draws_the_same(exported, live):
    core = openvino.Core()
    model = core.compile_model(
        core.read_model(exported), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    (pixels,) = model({"z": Z, "labels": LABELS}).values()
    assert levels(pixels, live) <= 1
    assert np.mean(pixels != images.to_pixels(live)) < 0.01
