"""The whole training step of every config, as XLA compiles it.

There is no TPU here. What a TPU asks of a step can be checked without one: every
operation has an XLA kernel, every shape is known before the step runs, and nothing in
it calls the host. Most tests stop at HLO, which XLA makes in the same way for every
kind of hardware; two compile a step to the end and run it.
"""

import dataclasses
import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from sagan_tf.model.sagan import SAGAN
from sagan_tf.run import building
from sagan_tf.settings.config import Config
from sagan_tf.training import loop
from tests.configs_test import FILES, load

POLICIES = ("float32", "mixed_bfloat16")
# One config is compiled at its own 128 pixels. Networks of 32 pixels have every kind of
# layer and block of larger ones: two more are compiled there. In bfloat16, which
# changes types and no structure, the two steps with the most settings are compiled.
AT_ITS_OWN_SIZE = "imagenet"
AT_32_PIXELS = ("celeba64", "imagenet_biggan_schedule")
IN_BFLOAT16 = ("imagenet_biggan_schedule", "all_at_once")
# The steps of the other configs and of the ablations are made of settings that are
# compiled with these and with `OTHER_SETTINGS`, as a test below makes sure of: thirty
# more compilations would tell no more.
COMPILED = [path for path in FILES if path.stem in (AT_ITS_OWN_SIZE, *AT_32_PIXELS)]
OTHERS = [path for path in FILES if path not in COMPILED]
CHANNELS, Z_DIM, CLASSES, IMAGES_PER_PASS = 8, 5, 3, 2
# The generator's last convolution is in float32 always.
PRECISIONS = {"float32": {"f32"}, "mixed_bfloat16": {"bf16", "f32"}}

# The wheels of TensorFlow hold the kernels of these two of XLA's backends. Those of a
# TPU come with it, and are made from the same sources.
BACKENDS = {"XLA_CPU_JIT", "XLA_GPU_JIT"}
# What a function is made of; XLA looks into calls, and hands over arguments itself.
STRUCTURE = {"Placeholder", "PartitionedCall", "StatefulPartitionedCall"}
HOST_INSTRUCTIONS = ("custom-call", "infeed", "outfeed", "send", "recv")

# Numbers and names that are no part of the step's structure.
VALUES = (
    "generator_learning_rate",
    "discriminator_learning_rate",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "initializer",
    "initialize_from",
    "seed",
    "batch_norm_momentum",
    "final_batch_norm_momentum",
    "batch_norm_epsilon",
    "ema_start_step",
    "total_steps",
    "jit_compile",
    "steps_per_execution",
    "class_loss_weight",
    "mode_seeking_distance",
    "augment_adaptation_images",
    "strategy",
    "worker_timeout_seconds",
    "tpu_name",
    "tpu_zone",
    "tpu_project",
)


def core(config, policy):
    """The config with the same step at small widths, on two images a pass.

    Configs whose steps have the same structure become equal: one compilation is enough
    for them. A new setting tells configs apart until it is named in `VALUES`.
    """
    default = Config()
    changes = {
        field.name: getattr(default, field.name)
        for field in dataclasses.fields(Config)
        if field.metadata["group"] in ("data", "evaluation", "run")
        or field.name in VALUES
    }
    return dataclasses.replace(
        config,
        **changes,
        dtype_policy=policy,
        # Not every kernel of XLA has a deterministic form; see the last tests.
        deterministic=False,
        z_dim=Z_DIM,
        generator_channels=CHANNELS,
        discriminator_channels=CHANNELS,
        num_classes=0 if config.num_classes == 0 else CLASSES,
        batch_size=IMAGES_PER_PASS * config.gradient_accumulation_steps,
        ema_decay=config.ema_decay and 0.5,
    )


def at_32_pixels(config):
    """The config with images of 32 pixels, and attention as many blocks below them."""

    def scaled(sizes):
        return sizes and tuple(
            sorted({size * 32 // config.resolution for size in sizes})
        )

    return dataclasses.replace(
        config,
        resolution=32,
        attention_resolution=scaled(config.attention_resolution),
        discriminator_attention_resolution=scaled(
            config.discriminator_attention_resolution
        ),
    ).validate()


def batch(config, seed=0):
    """The real images (and labels) of one step."""
    random = np.random.default_rng(seed)
    shape = (config.images_per_step, *2 * [config.resolution], config.image_channels)
    images = tf.constant(random.uniform(-1, 1, shape), tf.float32)
    if config.num_classes == 0:
        return (images,)
    labels = random.integers(0, config.num_classes, config.images_per_step)
    return images, tf.constant(labels, tf.int32)


def operations(graph):
    """Every operation of a graph: of its loops, branches and calls as well."""
    definition = graph.as_graph_def(add_shapes=True)
    bodies = [function.node_def for function in definition.library.function]
    return [node for nodes in (definition.node, *bodies) for node in nodes]


def without_kernel(nodes):
    """Kinds of operations that one of XLA's backends does not know."""
    return sorted(
        kind
        for kind in {node.op for node in nodes} - STRUCTURE
        if not BACKENDS <= _devices(kind)
    )


@functools.cache
def _devices(kind):
    return {
        kernel.device_type
        for kernel in kernels.get_registered_kernels_for_op(kind).kernel
    }


def without_shape(nodes):
    """Names of operations with an output whose shape is not known."""
    return [
        node.name
        for node in nodes
        for shape in node.attr["_output_shapes"].list.shape
        if shape.unknown_rank or any(size.size < 0 for size in shape.dim)
    ]


def dynamic(hlo):
    """Shapes of HLO with a size that is only bounded: `f32[<=3,1]`."""
    return re.findall(r"\w+\[[^\]]*<=[^\]]*\]", hlo)


def host_calls(hlo):
    """Instructions of HLO that leave the device, or the compiler's hands."""
    names = "|".join(HOST_INSTRUCTIONS)
    return re.findall(rf" ((?:{names})(?:-start|-done)?)\(", hlo)


def convolution_dtypes(hlo):
    """The dtypes that convolutions have in HLO: set of str."""
    return set(re.findall(r"= (\w+)\[\S* convolution\(", hlo))


def lower(step, *arguments):
    """Compiles a function as far as HLO.

    Returns:
        The operations of its graph and the text of its HLO.

    Raises:
        ValueError: XLA cannot compile it.
    """
    function = tf.function(step, jit_compile=True, autograph=False)
    hlo = function.experimental_get_compiler_ir(*arguments)(stage="hlo")
    return operations(function.get_concrete_function(*arguments).graph), hlo


@functools.cache
def compiled(config):
    """What is to be known of a config's step: dict."""
    loop.set_up(config)
    nodes, hlo = lower(building.make_model(config).train_step, batch(config))
    return {
        "operations": len(nodes),
        "without_kernel": without_kernel(nodes),
        "without_shape": without_shape(nodes),
        "dynamic": dynamic(hlo),
        "host_calls": host_calls(hlo),
        "convolution_dtypes": convolution_dtypes(hlo),
        "loops": len(re.findall(r" while\(", hlo)),
    }


def assert_ready_for_an_accelerator(config):
    found = compiled(config)
    for problem in ("without_kernel", "without_shape", "dynamic", "host_calls"):
        assert not found[problem], problem
    assert found["operations"] > 1000
    assert found["convolution_dtypes"] == PRECISIONS[config.dtype_policy]
    return found


def config_named(name):
    (path,) = (path for path in FILES if path.stem == name)
    return load(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", AT_32_PIXELS)
def test_step_of_a_config_is_static_and_leaves_the_host_alone(name):
    assert_ready_for_an_accelerator(at_32_pixels(core(config_named(name), "float32")))


@pytest.mark.slow
def test_step_at_128_pixels_is_static_and_leaves_the_host_alone():
    config = core(config_named(AT_ITS_OWN_SIZE), "float32")
    assert config.resolution == 128
    assert_ready_for_an_accelerator(config)


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_BFLOAT16)
def test_step_in_bfloat16_is_static_and_leaves_the_host_alone(name):
    if name in OTHER_SETTINGS:
        config = Config(**SMALL, **OTHER_SETTINGS[name]).validate()
    else:
        config = config_named(name)
    assert_ready_for_an_accelerator(at_32_pixels(core(config, "mixed_bfloat16")))


def test_configs_with_other_steps_are_not_taken_for_the_same():
    cores = {path.stem: core(load(path), "float32") for path in FILES}
    assert cores["digits"] == cores["fashion_mnist"]
    assert cores["imagenet"] == cores["imagenet_multi_worker"]
    different = ("celeba64", "cifar10", "digits", "imagenet", "imagenet_feat64")
    assert len({cores[name] for name in different}) == len(different)
    assert cores["imagenet_biggan_schedule"].gradient_accumulation_steps == 2
    assert cores["imagenet_feat64"].attention_resolution == (64,)
    assert cores["celeba64"].num_classes == 0


SMALL = {"resolution": 32, "image_channels": 1}

# What no other config has. Between them: every loss, form of attention, head, kind of
# table, kind of `u` and augmentation.
OTHER_SETTINGS = {
    "all_at_once": {
        "discriminator_steps": 2,
        "fake_labels": "data",
        "ema_decay": 0.9,
        "loss": "non_saturating",
        "attention_resolution": (16, 32),
        "attention_variant": "paper_v1",
        "discriminator_attention_resolution": (16,),
        "attention_chunk_size": 64,
        "cross_replica_batch_norm": True,
        "spectral_norm_conditional_batch_norm": True,
        "spectral_norm_clamp": True,
        "freeze_discriminator_blocks": 2,
    },
    "ac_gan": {
        "discriminator_head": "auxiliary_classifier",
        "class_loss_weight": 0.5,
        "attention_resolution": (16,),
        "attention_variant": "residual",
        "spectral_norm": "discriminator",
    },
    "power_iterations": {
        "power_iterations": 2,
        "mode_seeking_weight": 3.0,
        "augment": ("flip", "colour", "translation", "cutout"),
        "augment_target": 0.6,
        "loss": "kl",
        "attention_variant": "paper_icml",
        "attention_resolution": (16,),
        "attention_chunk_size": 50,
    },
    "no_spectral_norm": {
        "spectral_norm": "none",
        "loss": "wasserstein",
        "num_classes": 0,
        "attention_resolution": (),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_step_with_settings_of_no_config_is_static_too(name):
    config = Config(**SMALL, **OTHER_SETTINGS[name]).validate()
    found = assert_ready_for_an_accelerator(core(config, "float32"))
    # Attention in parts is a loop, forward and backward. Nothing else is one.
    assert bool(found["loops"]) == bool(config.attention_chunk_size)


def settings(config):
    """What a step is made of: set of (field, value), without sizes."""
    found = dataclasses.asdict(core(config, "float32"))
    for size in ("resolution", "batch_size", "discriminator_attention_resolution"):
        del found[size]
    found["attention_resolution"] = bool(config.attention_resolution)
    found["discriminator_steps"] = min(config.discriminator_steps, 2)
    # Weights of a loss are numbers; augmentations follow one another.
    found["mode_seeking_weight"] = config.mode_seeking_weight > 0
    found |= dict.fromkeys(found.pop("augment") or (), True)
    return set(found.items())


def test_every_setting_of_another_config_is_in_a_step_that_is_compiled():
    others = [Config(**SMALL, **values) for values in OTHER_SETTINGS.values()]
    configs = [*map(load, COMPILED), *others]
    compiled = set().union(*map(settings, configs))
    missing = {path.stem: settings(load(path)) - compiled for path in OTHERS}
    assert len(missing) > 30
    assert not {name: values for name, values in missing.items() if values}
    # It would be noticed:
    without = set().union(*(settings(c) for c in configs if c is not others[0]))
    lacking = {path.stem for path in OTHERS if settings(load(path)) - without}
    assert lacking >= {"clamped_sigma", "normalized_tables", "paper_v1"}


class Spy:
    """Counts the calls of a function from Python."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args):
        self.calls += 1
        return self.function(*args)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_one_call_from_python_runs_many_compiled_steps(policy):
    config = core(config_named("digits"), policy)
    config = dataclasses.replace(config, jit_compile=True, steps_per_execution=4)
    loop.set_up(config)
    model = building.make_model(config)
    assert model.jit_compile
    before = {v.path: v.numpy() for v in model.trainable_variables}
    model.make_train_function()
    spy = model.train_function = Spy(model.train_function)
    dataset = tf.data.Dataset.from_tensors(batch(config)).repeat()
    logs = model.fit(dataset, steps_per_epoch=8, verbose=0, shuffle=False).history

    assert spy.calls == 2
    assert int(model.step) == int(model.generator_optimizer.iterations) == 8
    assert int(model.first_nonfinite_step) == -1
    assert all(np.isfinite(values).all() for values in logs.values())
    still = {
        v.path
        for network in (model.generator, model.discriminator)
        for v in network.trainable_variables
        if np.array_equal(v.numpy(), before[v.path])
    }
    assert not still
    for variable in model.ema_generator.variables:
        assert np.isfinite(variable.numpy()).all(), variable.path


class Spoiler(keras.layers.Layer):
    """A layer that adds something that it makes of its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        made = self.function(tf.stop_gradient(inputs))
        return inputs + tf.ensure_shape(made, inputs.shape)

    def compute_output_shape(self, input_shape):
        return input_shape


def toy(spoiler):
    """A SAGAN that is compiled in a moment, with a layer in its generator."""
    z, images = keras.Input((5,)), keras.Input((4, 4, 1))
    x = Spoiler(spoiler)(keras.layers.Dense(16)(z))
    generator = keras.Model(z, keras.layers.Reshape((4, 4, 1))(x))
    x = keras.layers.Dense(1)(keras.layers.Flatten()(images))
    return SAGAN(generator, keras.Model(images, x), num_classes=0)


def nothing(x):
    return x


def numpy_function(x):
    return tf.numpy_function(lambda x: 2 * x, [x], x.dtype)


def py_function(x):
    return tf.py_function(lambda x: 2 * x, [x], x.dtype)


def printing(x):
    tf.print(tf.shape(x))
    return x


def reading_a_file(x):
    return x + tf.io.decode_raw(tf.io.read_file("ones"), tf.float32)


def boolean_mask(x):
    return x + tf.reduce_sum(tf.boolean_mask(x, x > 0))


def where(x):
    return x + tf.reduce_sum(tf.gather_nd(x, tf.where(x > 0)))


def unique(x):
    return x + tf.reduce_sum(tf.unique(tf.reshape(x, [-1]))[0])


def test_a_step_without_faults_has_none():
    model = toy(nothing)
    model.compile()
    nodes, hlo = lower(model.train_step, tf.ones([2, 4, 4, 1]))
    found = without_kernel(nodes), without_shape(nodes), dynamic(hlo), host_calls(hlo)
    assert found == ([], [], [], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoiler", "kind"),
    [
        (numpy_function, "PyFunc"),
        (py_function, "EagerPyFunc"),
        (printing, "PrintV2"),
        (reading_a_file, "ReadFile"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_call_of_the_host_is_found_in_the_graph_and_refused_by_xla(spoiler, kind):
    model, images = toy(spoiler), tf.ones([2, 4, 4, 1])
    model.compile()
    graph = (
        tf.function(model.train_step, autograph=False)
        .get_concrete_function(images)
        .graph
    )
    assert kind in without_kernel(operations(graph))
    with pytest.raises(ValueError, match="unsupported operations"):
        lower(model.train_step, images)


@pytest.mark.parametrize("spoiler", [boolean_mask, where, unique])
def test_a_shape_that_depends_on_values_is_found_in_graph_and_hlo(spoiler):
    # XLA compiles these for a CPU: only the checks find them.
    model = toy(spoiler)
    model.compile()
    nodes, hlo = lower(model.train_step, tf.ones([2, 4, 4, 1]))
    assert without_shape(nodes)
    assert dynamic(hlo)


def test_a_batch_of_unknown_size_is_found():
    model = toy(nothing)
    model.compile()
    spec = tf.TensorSpec([None, 4, 4, 1])
    graph = (
        tf.function(model.train_step, autograph=False).get_concrete_function(spec).graph
    )
    assert without_shape(operations(graph))


def test_a_fault_inside_of_a_loop_is_found():
    def looped(x):
        return tf.while_loop(lambda x: tf.reduce_max(x) < 9, boolean_mask, [x])[0]

    nodes, hlo = lower(looped, tf.ones([2, 3]))
    assert any("Where" in name for name in without_shape(nodes))
    assert dynamic(hlo)


def test_instructions_that_leave_the_device_are_found_in_hlo():
    hlo = """
      %a.1 = f32[2]{0} custom-call(f32[2]{0} %b.1), custom_call_target="callback"
      %c.1 = (f32[2]{0}, token[]) infeed(token[] %t.1)
      %d.1 = (f32[2]{0}, u32[], token[]) send(f32[2]{0} %a.1, token[] %t.1)
      %custom-call.5 = f32[2]{0} add(f32[2]{0} %send.1, f32[2]{0} %recv.2)
    """
    assert host_calls(hlo) == ["custom-call", "infeed", "send"]


@pytest.mark.slow
@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_fit_compiles_the_networks_too(steps_per_execution):
    # Were a part of the step left to TensorFlow, the call of the host would go through.
    dataset = tf.data.Dataset.from_tensors(tf.ones([2, 4, 4, 1])).repeat()
    options = {"steps_per_execution": steps_per_execution}
    model = toy(py_function)
    model.compile(**options)
    model.fit(dataset, steps_per_epoch=2, verbose=0, shuffle=False)
    assert int(model.step) == 2
    model.compile(**options, jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="EagerPyFunc"):
        model.fit(dataset, steps_per_epoch=2, verbose=0, shuffle=False)


def test_keras_leaves_xla_out_where_operations_must_be_deterministic():
    # Which is what --deterministic asks for: --jit_compile needs --nodeterministic.
    tf.config.experimental.enable_op_determinism()
    model = toy(nothing)
    with pytest.warns(UserWarning, match="Proceeding with `jit_compile=False`"):
        model.compile(jit_compile=True)
    assert not model.jit_compile


def test_xla_has_no_deterministic_gradient_of_max_pooling():
    # Why Keras is right: this is the pooling in the official attention.
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return tape.gradient(y, x)

    x = tf.ones([2, 4, 6, 3])
    assert lower(gradient, x)
    tf.config.experimental.enable_op_determinism()
    with pytest.raises(ValueError, match="deterministic XLA implementation"):
        lower(gradient, x)
