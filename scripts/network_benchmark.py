"""The parts of scripts/benchmark.py that compute with networks, and the peak.

Every repeat runs three loads in turn, so that other programs slow down all of them: a
large matrix product, a convolution with the shape of the networks' most expensive one,
and the measured part. Shares are medians over the repeats.
"""

import functools
import math
import statistics

from measuring import clock, memory, summary

from sagan_tf.settings.command import load


class Workload:
    """A function to measure, with its FLOPs.

    Args:
        run: function without arguments that waits for its result.
        images: int, images of one run.
        formula: int, FLOPs of a run by the formulas of `sagan_tf.planning.flops`.
        counted: int, FLOPs of its products as TensorFlow counts them.
        opaque: types of operations whose FLOPs are not counted.
        name: str.
    """

    def __init__(self, run, images, formula, counted, opaque=(), name=""):
        self.run, self.images, self.name = run, images, name
        self.formula, self.counted, self.opaque = formula, counted, opaque


def measure_network(part, settings):
    """Measures one of the parts below; runs in a process of its own.

    Args:
        part: str, a key of `_MAKERS`, or `"peak"` for only the peak.
        settings: dict of the script's flags.

    Returns:
        Dict.
    """
    tf, keras, *networks = _set_up(settings)
    product, convolution = _peak(tf, keras, networks, settings)
    loads = [product, convolution]
    before = memory("VmRSS")
    if part != "peak":
        loads.append(_MAKERS[part](tf, *networks, settings))
    if part == "generator":
        loads += _folded(tf, networks[0], settings)
    first = [clock(each.run)[1] for each in loads]
    wall, processor = [[] for _ in loads], [[] for _ in loads]
    for _ in range(settings["repeats"]):
        for index, each in enumerate(loads):
            _, seconds, busy = clock(each.run)
            wall[index].append(seconds)
            processor[index].append(busy)
    result = {
        "matmul_flops_per_second": product.formula / statistics.median(wall[0]),
        "convolution_flops_per_second": convolution.formula
        / statistics.median(wall[1]),
        "convolution": convolution.name,
        "device": _device(tf),
    }
    if part == "peak":
        return {**result, **summary(wall[0], processor[0], before)}
    return {
        **result,
        **summary(wall[2], processor[2], before),
        **_speed(loads[:3], wall),
        "folded": {
            each.name: _gain(each, seconds, wall[2])
            for each, seconds in zip(loads[3:], wall[3:], strict=True)
        },
        "first_call_seconds": first[2],
        "device_peak_bytes": _device_memory(tf),
    }


def make_training_step(settings):
    """Returns facts about our training step, and a function that runs it."""
    tf, keras, *networks = _set_up(settings)
    work = _train_step(tf, *networks, settings)
    facts = {
        "library": f"TensorFlow {tf.__version__}, Keras {keras.__version__}",
        "device": _device(tf),
        "images": work.images,
        "parameters": [
            sum(math.prod(variable.shape) for variable in network.trainable_variables)
            for network in networks
        ],
    }
    return facts, work.run


def _set_up(settings):
    """Returns TensorFlow, Keras, the generator and the discriminator."""
    tf, keras = load("tensorflow"), load("keras")
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings["dtype_policy"])
    load("sagan_tf.distribution.strategies").leave_graphs_as_they_are_on_cpus()
    return tf, keras, *_networks(settings)


def measure_attention(variant, chunk_size, settings):
    """Measures both passes of one attention layer at the full resolution.

    Args:
        variant: str, see `SelfAttention`.
        chunk_size: int or `None`, see `SelfAttention`.
        settings: dict of the script's flags.
    """
    tf, keras = load("tensorflow"), load("keras")
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(settings["dtype_policy"])
    layer = load("sagan_tf").SelfAttention(variant, chunk_size)
    size, channels = settings["resolution"], settings["channels"]
    layer.build((None, size, size, channels))
    layer.gamma.assign(0.5)
    x = tf.random.normal((settings["attention_batch_size"], size, size, channels))

    @tf.function(jit_compile=settings["jit_compile"])
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.cast(layer(x, training=True), "float32") ** 2)
        weights = [variable.value for variable in layer.trainable_variables]
        return loss, *(tf.reduce_sum(g) for g in tape.gradient(loss, [x, *weights]))

    before = memory("VmRSS")
    step(x)
    runs = [clock(lambda: _wait(step(x)[0])) for _ in range(settings["repeats"])]
    wall, processor = ([run[place] for run in runs] for place in (1, 2))
    rows = layer.chunk_size_for(size, size) or size**2
    return {"queries_at_a_time": rows, **summary(wall, processor, before)}


def _speed(loads, wall):
    """Returns rates, and shares of the two peaks measured in the same repeat."""
    product, convolution, work = loads
    seconds = statistics.median(wall[2])

    def share(flops, peak, index):
        return statistics.median(
            (flops / own) / (peak.formula / other)
            for own, other in zip(wall[2], wall[index], strict=True)
        )

    return {
        "images_per_second": work.images / seconds,
        "flops_formula": work.formula,
        "flops_counted": work.counted,
        "operations_not_counted": sorted(work.opaque),
        "flops_per_second": work.formula / seconds,
        "counted_flops_per_second": work.counted / seconds,
        "share_of_matmul": share(work.formula, product, 0),
        "share_of_convolution": share(work.formula, convolution, 1),
        "counted_share_of_matmul": share(work.counted, product, 0),
        "counted_share_of_convolution": share(work.counted, convolution, 1),
    }


def _gain(work, seconds, of_generator):
    """Returns the speed relative to the generator: the median over the repeats."""
    quotients = [a / b for a, b in zip(of_generator, seconds, strict=True)]
    return {
        "images_per_second": work.images / statistics.median(seconds),
        "times_the_generator": statistics.median(quotients),
    }


def _networks(settings):
    sagan_tf = load("sagan_tf")
    common = {
        "resolution": settings["resolution"],
        "num_classes": settings["num_classes"],
        "channels": settings["channels"],
        "attention_resolution": (settings["attention_resolution"],),
    }
    return sagan_tf.build_generator(**common), sagan_tf.build_discriminator(**common)


def _peak(tf, keras, networks, settings):
    """Returns a matrix product and a convolution in the networks' dtype."""
    flops = load("sagan_tf.planning.flops")
    dtype = keras.config.dtype_policy().compute_dtype
    n, batch = settings["peak_size"], settings["batch_size"]
    left, right = (tf.cast(tf.random.normal((n, n), seed=i), dtype) for i in (1, 2))
    multiply = tf.function(tf.matmul)

    products = [p for network in networks for p in flops.products(network)]
    widest = max((p for p in products if len(p.kernel) == 4), key=lambda p: p.flops)
    shape = (batch, widest.size, widest.size, widest.kernel[2])
    x = tf.cast(tf.random.normal(shape), dtype)
    kernel = tf.cast(tf.random.normal(widest.kernel), dtype)
    convolve = tf.function(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"))

    product = Workload(lambda: _wait(multiply(left, right)), 0, 2 * n**3, 2 * n**3)
    total, name = batch * widest.flops, f"{shape} * {widest.kernel}"
    run = functools.partial(convolve, x, kernel)
    return product, Workload(lambda: _wait(run()), batch, total, total, name=name)


def _wait(tensor):
    """Fetches one value, so that the device has finished."""
    return tensor[(0,) * len(tensor.shape)].numpy()


def _train_step(tf, generator, discriminator, settings):
    flops = load("sagan_tf.planning.flops")
    counting = load("sagan_tf.planning.counted_flops")
    model = load("sagan_tf").SAGAN(generator, discriminator)
    model.compile()
    batch = settings["batch_size"]
    step = counting.traced_step(model, batch, settings["jit_compile"])
    images = tf.random.uniform((batch, *discriminator.inputs[0].shape[1:]), -1, 1)
    labels = tf.range(batch) % settings["num_classes"]
    formula = sum(flops.training_step_flops(generator, discriminator, batch).values())
    return _repeated(lambda: step(images, labels)["d_loss"], step, formula, settings)


def _generator(tf, generator, discriminator, settings):
    z = tf.random.normal((settings["batch_size"], generator.inputs[0].shape[-1]))
    return _forward(tf, generator, z, settings)


def _discriminator(tf, generator, discriminator, settings):
    shape = (settings["batch_size"], *discriminator.inputs[0].shape[1:])
    return _forward(tf, discriminator, tf.random.uniform(shape, -1, 1), settings)


def _folded(tf, generator, settings):
    """Returns workloads of the folded generator, for any class and for one."""
    fold = load("sagan_tf.networks.folding").fold_generator
    batch = settings["batch_size"]
    z = tf.random.normal((batch, generator.inputs[0].shape[-1]))
    labels = tf.range(batch) % settings["num_classes"]
    workloads = []
    for name, network, inputs in (
        ("any class", fold(generator), [z, labels]),
        ("one class", fold(generator, 0), z),
    ):
        function = tf.function(network, jit_compile=settings["jit_compile"])
        function = function.get_concrete_function(inputs)
        run = functools.partial(function, inputs)
        workload = _repeated(run, function, 0, settings)
        workload.name = name
        workloads.append(workload)
    return workloads


def _forward(tf, network, inputs, settings):
    flops = load("sagan_tf.planning.flops")
    batch = settings["batch_size"]
    labels = tf.range(batch) % settings["num_classes"]
    function = tf.function(
        lambda inputs, labels: network([inputs, labels], training=False),
        jit_compile=settings["jit_compile"],
    ).get_concrete_function(inputs, labels)
    formula = batch * flops.forward_flops(network)
    formula += flops.power_iteration_flops(network)[0]
    return _repeated(lambda: function(inputs, labels), function, formula, settings)


def _repeated(run, traced, formula, settings):
    """Returns a workload that runs a function `steps` times and waits for the last."""
    counting, steps = load("sagan_tf.planning.counted_flops"), settings["steps"]
    by_operation, opaque = counting.counted_flops(traced)
    counted = counting.product_flops(by_operation)

    def run_all():
        for _ in range(steps):
            result = run()
        return _wait(result)

    images = steps * settings["batch_size"]
    return Workload(run_all, images, steps * formula, steps * counted, opaque)


def _device(tf):
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return "CPU"
    details = tf.config.experimental.get_device_details(devices[0])
    return details.get("device_name", "GPU")


def _device_memory(tf):
    if not tf.config.list_physical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


_MAKERS = {
    "train_step": _train_step,
    "generator": _generator,
    "discriminator": _discriminator,
}
