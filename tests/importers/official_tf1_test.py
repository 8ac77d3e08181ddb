"""Checkpoints of the official code against what it recorded."""

import json

import numpy as np
import pytest
from PIL import Image

from sagan_tf import images, import_weights, sample
from sagan_tf.importers import official_tf1, recognizes
from sagan_tf.model import generating
from sagan_tf.networks.variable_names import variables_by_name
from sagan_tf.run import building
from tests.importers.tf1_checkpoints import official, write
from tests.importers.torch_recordings import networks_of, refusal, without
from tests.parity.golden import FOLDER, Golden, model_variable

ATTENTION = {"A_attn32": (32,), "B_attn64": (64,), "C_baseline": ()}


@pytest.fixture(scope="module")
def tensors():
    return official()


def changed(tensors, **changes):
    return {**tensors, **{name.replace("__", "/"): v for name, v in changes.items()}}


@pytest.mark.parametrize("configuration", ATTENTION)
def test_networks_give_what_the_official_ones_gave(configuration):
    tensors = official(configuration)
    recorded = np.load(FOLDER / f"lite_{configuration}.npz")
    networks = networks_of(official_tf1.translate(tensors, {}), tensors)
    z, labels = recorded["input/z"], recorded["input/gen_labels"]
    drawn = np.asarray(networks["generator"]([z, labels], training=False))
    np.testing.assert_allclose(drawn, recorded["out/g_infer"], atol=1e-4)
    real = [recorded["input/real_images"], recorded["input/real_labels"]]
    logits = np.asarray(networks["discriminator"](real, training=False))
    np.testing.assert_allclose(logits, recorded["out/d_logits_real"], atol=1e-4)


@pytest.mark.parametrize("configuration", ATTENTION)
def test_shapes_tell_the_networks(configuration):
    translation = official_tf1.translate(official(configuration), {})
    assert translation.fields == {
        "resolution": 128,
        "image_channels": 3,
        "num_classes": 5,
        "z_dim": 16,
        "generator_channels": 8,
        "discriminator_channels": 8,
        "attention_resolution": ATTENTION[configuration],
        "discriminator_attention_resolution": ATTENTION[configuration],
        "attention_variant": "official",
        "spectral_norm": "both",
        "power_iterations": 1,
        "batch_norm_epsilon": 1e-5,
    }
    assert translation.step == 1234
    # Nothing but ImageNet has 1000 classes.
    assert translation.settings == {}


def test_every_official_variable_is_where_the_parity_tests_have_it():
    golden = Golden("A_attn32")
    model = golden.model()
    ours = {}
    for network in (model.generator, model.discriminator):
        paths = official_tf1.official_paths(network.name, 32)
        for name, variable in variables_by_name(network).items():
            ours["model/" + "/".join(paths[name])] = variable
    assert set(ours) == set(golden.keys("var/"))
    for name, variable in ours.items():
        assert variable is model_variable(model, name)


def test_what_the_optimizer_leaves_is_ignored_and_told(tensors):
    translation = official_tf1.translate(tensors, {})
    meta = json.loads(str(np.load(FOLDER / "lite_A_attn32.npz")["meta"]))
    moments = [n for n, why in translation.ignored.items() if why == "moments of Adam"]
    assert len(moments) == 2 * len([*meta["trainable_g"], *meta["trainable_d"]])
    rest = {n for n in translation.ignored if n not in moments}
    betas = {f"beta{i}_power{end}" for i in (1, 2) for end in ("", "_1")}
    assert rest == {*betas, "global_step"}


def test_a_generator_may_come_alone(tensors):
    alone = {name: v for name, v in tensors.items() if "model/d_" not in name}
    translation = official_tf1.translate(alone, {})
    assert set(translation.networks) == {"generator"}
    assert "discriminator_channels" not in translation.fields
    networks_of(translation, alone)


def test_a_thousand_classes_are_those_of_imagenet(tensors):
    table = np.zeros((1000, 128), np.float32)
    many = changed(tensors, model__g_block1__cbn_0__gamma=table)
    settings = official_tf1.translate(many, {}).settings
    assert settings == {"dataset": "tfds:imagenet2012"}


@pytest.mark.parametrize(
    "name",
    [
        "model/g_block3/snconv1/w",
        "model/g_block2/cbn_1/var",
        "model/g_non_local/sn_conv_attn/u",
        "model/d_sn_linear/Matrix",
        "model/d_embedding/u",
        "model/d_block6/sn_conv2/biases",
    ],
)
def test_a_missing_tensor_is_named(tensors, name):
    message = refusal(official_tf1, without(tensors, name))
    assert f"1 missing: {name}. Nothing was written." in message


@pytest.mark.parametrize(
    "name",
    [
        "model/g_snconv_last/w",
        "model/g_snh0/Matrix",
        "model/g_block1/cbn_0/gamma",
        "model/g_non_local/sn_conv_theta/w",
        "model/d_optimized_block1/sn_conv1/w",
    ],
)
def test_a_missing_tensor_that_tells_sizes_is_named(tensors, name):
    message = refusal(official_tf1, without(tensors, name))
    assert f"must have the tensor {name}, which tells" in message


def test_an_unknown_tensor_is_named(tensors):
    more = changed(tensors, model__g_block6__snconv1__w=np.zeros((3, 3, 8, 8)))
    message = refusal(official_tf1, more)
    assert "1 unknown: model/g_block6/snconv1/w (3, 3, 8, 8)" in message


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("g_block3/snconv1/w", (3, 3, 32, 64), "block_32x32/convolution_1/kernel"),
        ("g_block2/cbn_1/mean", (1, 1, 64, 1), "block_16x16/batch_norm_2/moving_mean"),
        ("g_block2/cbn_1/var", (64,), "block_16x16/batch_norm_2/moving_variance"),
        ("d_embedding/u", (5, 1), "projection_head/embedding/u (1, 5)"),
        ("d_block3/sn_conv2/w", (), "block_3/convolution_2/kernel (3, 3, 32, 32)"),
    ],
)
def test_another_shape_is_named(tensors, name, shape, told):
    message = refusal(
        official_tf1, {**tensors, f"model/{name}": np.zeros(shape, np.float32)}
    )
    assert f"1 of another shape: model/{name} {shape} for {told}" in message


def test_attention_that_no_block_goes_with_is_refused(tensors):
    kernel = np.zeros((1, 1, 24, 3), np.float32)
    wrong = changed(tensors, model__g_non_local__sn_conv_theta__w=kernel)
    message = refusal(official_tf1, wrong)
    assert "of 24 channels, blocks of [128, 64, 32, 16, 8]" in message


@pytest.mark.slow
def test_from_files_to_images(tensors, tmp_path):
    recorded = np.load(FOLDER / "lite_A_attn32.npz")
    write(tmp_path / "theirs", tensors)
    flags = {"from": "official-tf1", "input": tmp_path / "theirs"}
    flags["workdir"] = workdir = tmp_path / "run"
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    assert import_weights.main(["import_weights", *arguments]) == 0
    generator, config, _, step = building.load_generator(workdir)
    z, labels = recorded["input/z"], recorded["input/gen_labels"]
    made = np.asarray(generator([z, labels], training=False))
    np.testing.assert_allclose(made, recorded["out/g_infer"], atol=1e-4)
    assert step == 1234

    grid = tmp_path / "grid.png"
    arguments = [
        f"--workdir={workdir}",
        "--seeds=3,4",
        "--labels=2",
        f"--output={grid}",
    ]
    assert sample.main(["sample", *arguments]) == 0
    z, labels = generating.one_each([3, 4], [2], config.z_dim, config.num_classes)
    made = generating.generate_one_by_one(generator, z, labels)
    wanted = images.grid(images.to_pixels(made), 2)
    np.testing.assert_array_equal(np.asarray(Image.open(grid)), wanted)


def test_it_is_told_by_its_names(tensors):
    assert recognizes(official_tf1, tensors)
    assert recognizes(official_tf1, ["model/d_sn_linear/Matrix"])
    assert not recognizes(official_tf1, ["model/other/w", "Generator/generator/g_bn/w"])
