"""Measures the networks on a GPU: ours on JAX, and the same ones in PyTorch.

    python scripts/gpu_benchmark.py --output=gpu.md
    python scripts/gpu_benchmark.py --dtype=bfloat16 --batch_size=64 --batch_size=128

A size so small that a CPU takes a minute or two:

    python scripts/gpu_benchmark.py --resolution=32 --channels=8 --num_classes=10 \\
        --attention_resolution=16 --batch_size=4 --peak_size=512 --steps=1

Measures each network by itself, forward and backward: the gradients of all weights,
with batch statistics and one power iteration. PyTorch's networks are those of
pytorch_sagan.py. Needs JAX, Keras and PyTorch, but no TensorFlow; without an installed
sagan_tf, set PYTHONPATH to the checkout.

Writes a table in Markdown: images/s; the share of the card's peak, by the formulas of
sagan_tf/planning/flops.py; and memory. The peak is the faster of both libraries' large
matrix products in the same dtype. float32 means TF32 on a GPU. For PyTorch, memory is
the most that a step allocates. For our networks it is what XLA states for the compiled
step, because JAX's highest value includes the trials of the compiler.

Each side of a setting has a process of its own. They run one after the other. The file
is rewritten after each setting, so an interrupted run keeps what it has measured.
"""

import itertools
import os
import statistics
import sys

from absl import flags
from measuring import check_installed, clock, in_own_process
from pytorch_benchmark import check_peer

from sagan_tf.files import check_writable, write_text
from sagan_tf.settings.command import load, run_command

NETWORKS = ("generator", "discriminator")
_PACKAGES = (
    ("jax", "JAX", "pip install 'jax[cuda12]'"),
    ("keras", "Keras", "pip install keras"),
    ("torch", "PyTorch", "pip install torch"),
)
_SIZES = (
    ("resolution", 128, "width and height in pixels"),
    ("channels", 64, "multiplier of the networks' widths"),
    ("num_classes", 1000, "classes of the networks"),
    ("peak_size", 8192, "rows and columns of the matrices whose product is the peak"),
    ("steps", 10, "runs of a network in each repeat"),
    ("repeats", 5, "measurements; their median is reported"),
)
_COLUMNS = (
    "network",
    "attention",
    "dtype",
    "batch",
    "ours, images/s",
    "PyTorch, images/s",
    "ours / PyTorch",
    "ours, share of peak",
    "PyTorch, share of peak",
    "ours, GB",
    "PyTorch, GB",
)


def measure_ours(settings):
    """Measures our networks on JAX; runs in a process of its own.

    Args:
        settings: dict of the script's flags, one value each.

    Returns:
        Dict: library, device, parameters; peak in FLOP/s; for each network its seconds
        and bytes, or `None` if the memory is too small; flops of each network.
    """
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.95")
    jax, keras = load("jax"), load("keras")
    builders, flops = load("sagan_tf.networks"), load("sagan_tf.planning.flops")
    keras.config.set_dtype_policy(_policy(settings))
    if settings["dtype"] == "float32":
        jax.config.update("jax_default_matmul_precision", "tensorfloat32")
    options = {
        name: settings[name]
        for name in ("resolution", "channels", "num_classes", "attention_resolution")
    }
    networks = [
        builders.build_generator(**options),
        builders.build_discriminator(**options),
    ]
    device = jax.devices()[0]
    measured = {
        "library": f"JAX {jax.__version__}, Keras {keras.__version__}",
        "device": "CPU" if device.platform == "cpu" else device.device_kind,
        "parameters": [
            sum(variable.size for variable in jax.tree.leaves(_values(network)[0]))
            for network in networks
        ],
        "peak": _peak_on_jax(jax, settings),
        "flops": [_flops(flops, each, settings["batch_size"]) for each in networks],
    }
    for name, network in zip(NETWORKS, networks, strict=True):
        measured[name] = _if_it_fits(_measure_on_jax, jax, network, settings)
    return measured


def _measure_on_jax(jax, network, settings):
    """Measures seconds and bytes of a forward and backward pass: a dict."""
    trainable, others = _values(network)
    count = settings["batch_size"]
    shape = (count, *network.inputs[0].shape[1:])
    labels = jax.numpy.arange(count) % settings["num_classes"]
    inputs = [jax.random.uniform(jax.random.key(0), shape, minval=-1), labels]

    def loss(trainable, others, inputs):
        outputs, others = network.stateless_call(
            trainable, others, inputs, training=True
        )
        return jax.numpy.mean(outputs**2), others

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    step = step.lower(trainable, others, inputs).compile()
    needs = step.memory_analysis()

    def run():
        state = others
        for _ in range(settings["steps"]):
            # Each pass updates spectral norm's vectors and the moving averages.
            (_, state), gradients = step(trainable, state, inputs)
        jax.block_until_ready(gradients)

    return {
        "seconds": _seconds(run, settings),
        "bytes": needs.argument_size_in_bytes
        + needs.output_size_in_bytes
        + needs.temp_size_in_bytes
        - needs.alias_size_in_bytes,
    }


def _values(network):
    """The values of a network's weights: those that are trained, and the others."""
    groups = network.trainable_variables, network.non_trainable_variables
    return [[variable.value for variable in group] for group in groups]


def _flops(flops, network, batch_size):
    """FLOPs of a forward and backward pass of a batch, by formula: int."""
    products = sum(p.flops * (1 + p.gradients()) for p in flops.products(network))
    return batch_size * products + sum(flops.power_iteration_flops(network))


def _peak_on_jax(jax, settings):
    """FLOP/s of a matrix product."""
    size = settings["peak_size"]
    left, right = (
        jax.random.normal(jax.random.key(seed), (size, size), settings["dtype"])
        for seed in (1, 2)
    )
    multiply = jax.jit(jax.numpy.matmul)

    def run():
        for _ in range(settings["steps"]):
            product = multiply(left, right)
        product.block_until_ready()

    return 2 * size**3 / _seconds(run, settings)


def measure_peer(settings):
    """Measures PyTorch's networks in a process of its own. See `measure_ours`."""
    torch, peer = load("torch"), load("pytorch_sagan")
    if peer.device() == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32; convolutions have it anyway.
        torch.backends.cudnn.benchmark = True
    networks = peer.make_networks(settings)
    measured = {
        **peer.facts(networks),
        "peak": _peak_on_pytorch(torch, peer.device(), settings),
    }
    count, size = settings["batch_size"], settings["resolution"]
    labels = torch.arange(count, device=peer.device()) % settings["num_classes"]
    shapes = [(count, peer.Z_DIM), (count, 3, size, size)]
    for name, network, shape in zip(NETWORKS, networks, shapes, strict=True):
        x = torch.rand(shape, device=peer.device()) * 2 - 1
        if name == "discriminator":
            x = x.contiguous(memory_format=torch.channels_last)
        measured[name] = _if_it_fits(
            _measure_on_pytorch, torch, peer, network, (x, labels), settings
        )
    return measured


def _measure_on_pytorch(torch, peer, network, inputs, settings):
    """Measures seconds and bytes of a forward and backward pass: a dict."""
    on_gpu = peer.device() == "cuda"

    def run():
        for _ in range(settings["steps"]):
            network.zero_grad()
            with peer.precision(_policy(settings)):
                loss = network(*inputs).square().mean()
            loss.backward()
        if on_gpu:
            torch.cuda.synchronize()

    others = 0
    if on_gpu:
        own = [*network.parameters(), *network.buffers(), *inputs]
        others = torch.cuda.memory_allocated() - sum(each.nbytes for each in own)
    run()
    if on_gpu:
        # The first run tries several algorithms.
        torch.cuda.reset_peak_memory_stats()
    seconds = _seconds(run, settings)
    most = torch.cuda.max_memory_allocated() - others if on_gpu else None
    network.zero_grad()
    return {"seconds": seconds, "bytes": most}


def _peak_on_pytorch(torch, device, settings):
    """FLOP/s of a matrix product."""
    size, dtype = settings["peak_size"], getattr(torch, settings["dtype"])
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def run():
        for _ in range(settings["steps"]):
            torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()

    return 2 * size**3 / _seconds(run, settings)


def _policy(settings):
    """The Keras dtype policy that computes in a dtype."""
    return "mixed_bfloat16" if settings["dtype"] == "bfloat16" else "float32"


def _seconds(run, settings):
    """The median seconds of one step of `run()`; a first run does not count."""
    run()
    times = [clock(run)[1] for _ in range(settings["repeats"])]
    return statistics.median(times) / settings["steps"]


def _if_it_fits(measure, *arguments):
    """Returns `measure(*arguments)`, or `None` if the card's memory is too small.

    JAX and PyTorch raise different errors with the same words.
    """
    try:
        return measure(*arguments)
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        return None


def table(results):
    """Returns the text of the file.

    Args:
        results: list of (settings, ours, peer), see `measure_ours`.
    """
    settings, ours, peer = results[0]
    peaks = {}
    for row, *sides in results:
        best = max(side["peak"] for side in sides)
        peaks[row["dtype"]] = max(best, peaks.get(row["dtype"], 0))
    measured = ", ".join(
        f"{dtype} {peak / 1e12:,.3g} TFLOP/s" for dtype, peak in peaks.items()
    )
    lines = [
        f"{ours['device']}. Ours: {ours['library']}. Peer: {peer['library']}. "
        f"{settings['resolution']} pixels, {settings['channels']} channels, "
        f"{settings['num_classes']} classes; forward and backward of each network; "
        f"medians of {settings['repeats']} repeats (--steps={settings['steps']}). "
        f"Measured peak: {measured} (matrices of {settings['peak_size']}).",
        "",
        _row(_COLUMNS),
        _row(["---"] * len(_COLUMNS)),
    ]
    for row, ours, peer in results:
        for name, flops in zip(NETWORKS, ours["flops"], strict=True):
            at_peak = flops / peaks[row["dtype"]]
            lines.append(_row(_cells(name, row, ours[name], peer[name], at_peak)))
    return "\n".join(lines) + "\n"


def _cells(name, settings, ours, peer, seconds_at_peak):
    """The cells of one row: list of str."""
    count, sides = settings["batch_size"], (ours, peer)
    both = ours and peer
    return [
        name,
        f"{settings['attention_resolution']}",
        settings["dtype"],
        f"{count}",
        *(f"{count / s['seconds']:,.1f}" if s else "out of memory" for s in sides),
        f"{peer['seconds'] / ours['seconds']:.2f}" if both else "",
        *(f"{100 * seconds_at_peak / s['seconds']:.1f} %" if s else "" for s in sides),
        *(f"{s['bytes'] / 1e9:.3g}" if s and s["bytes"] else "" for s in sides),
    ]


def _row(cells):
    return f"| {' | '.join(cells)} |"


def main(values):
    """Measures all settings and writes the table."""
    for package, name, remedy in _PACKAGES:
        check_installed(package, name, "This script", remedy)
    check_writable(values.output)
    sizes = {name: values[name].value for name, _, _ in _SIZES}
    results = []
    print(_row(_COLUMNS), flush=True)
    for attention, dtype, count in itertools.product(
        values.attention_resolution, values.dtype, values.batch_size
    ):
        settings = {
            **sizes,
            "attention_resolution": attention,
            "dtype": dtype,
            "batch_size": count,
        }
        ours = in_own_process(measure_ours, settings)
        peer = in_own_process(measure_peer, settings)
        check_peer(ours, peer)
        results.append((settings, ours, peer))
        text = table(results)
        write_text(values.output, text)
        print(*text.splitlines()[-len(NETWORKS) :], sep="\n", flush=True)
    print(f"Wrote the table to {values.output}.")
    return 0


def define(values):
    """Defines the flags."""
    flags.DEFINE_string(
        "output", "gpu_benchmark.md", "file for the table", flag_values=values
    )
    for name, default, text in (
        ("attention_resolution", [32, 64], "size of the map with attention"),
        ("batch_size", [32, 64, 128, 256], "images in a batch"),
    ):
        flags.DEFINE_multi_integer(name, default, text, 1, flag_values=values)
    flags.DEFINE_multi_enum(
        "dtype",
        ["float32", "bfloat16"],
        ["float32", "bfloat16"],
        "float32 (TF32 on a GPU) or bfloat16",
        flag_values=values,
    )
    for name, default, text in _SIZES:
        flags.DEFINE_integer(name, default, text, lower_bound=1, flag_values=values)


if __name__ == "__main__":
    sys.exit(run_command(main, define, __doc__))
