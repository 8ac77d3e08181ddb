import pytest

from sagan_tf.importers.mmgeneration_config import Settings, read_settings

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
