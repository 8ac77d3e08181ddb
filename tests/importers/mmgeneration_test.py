import numpy as np
import pytest

from sagan_tf.importers import mmgeneration, recognizes
from sagan_tf.importers.mmgeneration import Settings, read_settings
from tests.importers.torch_recordings import (
    draw,
    judge,
    load,
    networks_of,
    refusal,
    without,
)

RECORDINGS = [
    # epsilon 1e-4, tables of classes with spectral norm, config kept in the checkpoint
    "mmgeneration_32",
    # weights far from where their u and v were computed
    "mmgeneration_32_drifted",
    # sn_style="ajbrock" wherever there is a choice
    "mmgeneration_32_ajbrock",
    # no classes in the generator's form; spectral norm in its attention alone
    "mmgeneration_32_unconditional",
    # the settings of FID 12.83: epsilon 1e-5, tables of classes as they are
    "mmgeneration_128",
]


@pytest.fixture(scope="module")
def recording():
    return load("mmgeneration_32")


@pytest.fixture(scope="module", params=RECORDINGS)
def imported(request):
    """A recording, its translation and our networks."""
    recording = load(request.param)
    translation = mmgeneration.translate(recording.tensors, {})
    return recording, translation, networks_of(translation, recording.tensors)


@pytest.mark.slow
def test_the_generator_draws_what_theirs_draws_with_red_first(imported):
    recording, _, networks = imported
    images = draw(networks["generator"], recording)
    np.testing.assert_allclose(images[:, ::-1], recording.images, atol=1e-5)


def test_the_discriminator_judges_images_with_red_first_as_theirs_does(imported):
    recording, _, networks = imported
    logits = judge(networks["discriminator"], recording, recording.x[:, ::-1])
    np.testing.assert_allclose(logits, recording.logits, rtol=1e-5, atol=1e-4)


def test_the_averaged_generator_draws_what_theirs_draws(recording):
    translation = mmgeneration.translate(recording.tensors, {})
    networks = networks_of(translation, recording.tensors)
    images = draw(networks["ema_generator"], recording)
    np.testing.assert_allclose(images[:, ::-1], recording.ema_images, atol=1e-5)
    assert np.abs(recording.ema_images - recording.images).max() > 0.1
    assert translation.fields["ema_decay"] == 0.999


def test_networks_that_draw_red_first_keep_their_order(recording):
    given = {"image_order": "rgb"}
    networks = networks_of(
        mmgeneration.translate(recording.tensors, given), recording.tensors
    )
    images = draw(networks["generator"], recording)
    np.testing.assert_allclose(images, recording.images, atol=1e-5)
    logits = judge(networks["discriminator"], recording)
    np.testing.assert_allclose(logits, recording.logits, rtol=1e-5, atol=1e-4)


def test_the_config_tells_epsilon_and_the_order_of_gains(recording):
    fields = mmgeneration.translate(recording.tensors, {}).fields
    assert fields["batch_norm_epsilon"] == 1e-4
    text = str(recording.tensors["meta.config"])
    tensors = {
        **recording.tensors,
        "meta.config": np.array(
            text.replace("init_cfg=dict(type='studio')", "init_cfg=dict(type='SAGAN')")
        ),
    }
    table = mmgeneration.translate(recording.tensors, {}).networks["generator"]
    other = mmgeneration.translate(tensors, {}).networks["generator"]
    gamma = "block_8x8/batch_norm_1/gamma"
    difference = table(gamma).value(tensors) - other(gamma).value(tensors)
    np.testing.assert_allclose(difference, 1, rtol=1e-6)


def test_epsilon_without_a_config_is_that_of_the_settings_and_is_told():
    drifted = mmgeneration.translate(load("mmgeneration_32_drifted").tensors, {})
    assert drifted.fields["batch_norm_epsilon"] == 1e-4
    tensors = without(load("mmgeneration_128").tensors, "meta.config")
    translation = mmgeneration.translate(tensors, {})
    assert translation.fields["batch_norm_epsilon"] == 1e-5
    assert "--batch_norm_epsilon=1e-05" in translation.notes[0]
    given = mmgeneration.translate(tensors, {"batch_norm_epsilon": 0.25})
    assert given.fields["batch_norm_epsilon"] == 0.25


def test_a_discriminator_with_relu_in_place_is_left_out_and_named(recording):
    text = str(recording.tensors["meta.config"])
    start, end = text.split("discriminator=dict(", 1)
    in_place = "discriminator=dict(act_cfg=dict(type='ReLU', inplace=True), "
    tensors = {**recording.tensors, "meta.config": np.array(start + in_place + end)}
    translation = mmgeneration.translate(tensors, {})
    assert set(translation.networks) == {"generator", "ema_generator"}
    assert "in place" in translation.notes[0]
    assert "in place" in translation.ignored["discriminator.decision.bias"]
    networks = networks_of(translation, tensors)
    images = draw(networks["generator"], recording)
    np.testing.assert_allclose(images[:, ::-1], recording.images, atol=1e-5)


def test_spectral_norm_in_some_layers_alone_becomes_part_of_the_weights():
    recording = load("mmgeneration_32_unconditional")
    translation = mmgeneration.translate(recording.tensors, {})
    assert translation.fields["spectral_norm"] == "discriminator"
    assert "generator.noise2feat" in translation.notes[0]


def test_drifted_weights_keep_their_spectral_norm():
    recording = load("mmgeneration_32_drifted")
    assert (
        mmgeneration.translate(recording.tensors, {}).fields["spectral_norm"] == "both"
    )


def test_the_iteration_is_the_step(recording):
    tensors = {**recording.tensors, "meta.iter": np.array(826000)}
    assert mmgeneration.translate(tensors, {}).step == 826000


@pytest.mark.parametrize(
    "name",
    [
        "generator.noise2feat.weight_v",
        "generator.to_rgb.bn.running_var",
        "generator.conv_blocks.2.gamma",
        "generator.conv_blocks.2.o.conv.weight_orig",
        "generator.conv_blocks.0.norm_2.bias_embedding.weight_u",
        "generator_ema.conv_blocks.1.conv_1.conv.weight_orig",
        "discriminator.from_rgb.shortcut.conv.bias",
        "discriminator.proj_y.weight_u",
    ],
)
def test_a_missing_tensor_is_named(recording, name):
    assert name in refusal(mmgeneration, without(recording.tensors, name))


def test_a_tensor_too_many_is_named(recording):
    name = "discriminator.conv_blocks.3.shortcut.conv.bias"
    tensors = {**recording.tensors, name: np.zeros(16, np.float32)}
    assert f"{name} (16,)" in refusal(mmgeneration, tensors)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "generator.noise2feat.weight_u",
        "generator.conv_blocks.0.norm_1.norm.running_mean",
        "generator.conv_blocks.0.norm_1.bias_embedding.weight_orig",
        "discriminator.from_rgb.conv_1.conv.weight_orig",
    ],
)
def test_a_wrong_shape_is_named(recording, name):
    wrong = np.concatenate([recording.tensors[name]] * 2, -1)
    message = refusal(mmgeneration, {**recording.tensors, name: wrong})
    assert f"{name} {wrong.shape}" in message


def test_values_that_are_not_finite_are_named(recording):
    name = "generator.conv_blocks.0.conv_1.conv.weight_orig"
    broken = recording.tensors[name].copy()
    broken[0, 0, 0, 0] = np.nan
    message = refusal(mmgeneration, {**recording.tensors, name: broken})
    assert "not finite" in message and name in message


def test_only_names_of_its_generator_are_recognized(recording):
    assert recognizes(mmgeneration, recording.tensors)
    assert not recognizes(mmgeneration, load("biggan_pytorch_32").tensors)
    assert not recognizes(mmgeneration, load("studiogan_32").tensors)
    # Its StyleGAN, for one.
    assert not recognizes(mmgeneration, ["generator.mapping.0.weight"])


MODEL = """
model = dict(
    type='BasiccGAN',
    generator=dict(type='SAGANGenerator', {generator}),
    discriminator=dict(type='ProjDiscriminator', {discriminator}))
optimizer = dict(generator=dict(lr=-1e-4, betas=(0.0, 0.999)), x=[{{'y': None}}])
"""


def settings(generator="", discriminator="", rest=""):
    return read_settings(
        MODEL.format(generator=generator, discriminator=discriminator) + rest
    )


def test_what_a_config_does_not_say_is_as_in_the_classes():
    assert settings() == Settings(1e-4, True, False, 0.999, 0)
    assert read_settings("seed = 3") == Settings()


def test_epsilon_and_initial_values_are_read():
    assert settings("norm_eps=1e-05, init_cfg=dict(type='studio')") == Settings(
        epsilon=1e-5
    )
    assert not settings("init_cfg=dict(type='SAGAN')").gains_from_one
    assert settings("init_cfg=dict(type='BigGAN')").gains_from_one


def test_relu_in_place_matters_in_the_discriminator_alone():
    in_place = "act_cfg=dict(type='ReLU', inplace=True)"
    assert settings(discriminator=in_place).relu_in_place
    assert not settings(generator=in_place).relu_in_place


def test_the_averages_decay_and_start_are_read():
    hook = """
custom_hooks = [
    dict(type='VisualizeUnconditionalSamples', interval=1000),
    dict(
        type='ExponentialMovingAverageHook',
        module_keys=('generator_ema', ),
        start_iter=2000,
        interp_cfg=dict(momentum=0.99))
]
"""
    found = settings(rest=hook)
    assert (found.ema_decay, found.ema_start_step) == (0.99, 2000)


@pytest.mark.parametrize(
    "generator, discriminator, named",
    [
        ("act_cfg=dict(type='LeakyReLU')", "", "generator.act_cfg.type=LeakyReLU"),
        (
            "blocks_cfg=dict(type='X', norm_cfg=3)",
            "",
            "generator.blocks_cfg.norm_cfg=3",
        ),
        ("", "from_rgb_cfg=dict(conv_cfg=3)", "discriminator.from_rgb_cfg.conv_cfg=3"),
    ],
)
def test_settings_of_other_networks_are_refused_by_name(
    generator, discriminator, named
):
    with pytest.raises(ValueError, match="Received: ") as error:
        settings(generator, discriminator)
    assert named in str(error.value)


def test_another_kind_of_network_is_refused_by_name():
    with pytest.raises(ValueError, match="generator.type=BigGANGenerator"):
        read_settings("model = dict(generator=dict(type='BigGANGenerator'))")


@pytest.mark.parametrize(
    "text", ["model = dict(", "model = __import__('os').getcwd()", "model = a + b"]
)
def test_what_is_no_config_is_refused_and_not_run(text):
    with pytest.raises(ValueError, match="must be a config of mmcv"):
        read_settings(text)
