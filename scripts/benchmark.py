"""Measures time and memory: training, inference, data, FID.

    python scripts/benchmark.py                                    all parts
    python scripts/benchmark.py --part=train_step,data --json
    python scripts/benchmark.py --part=fid --peer
    python scripts/benchmark.py --compare=pytorch                  needs PyTorch

train_step     one training step: generator and discriminator update
generator      images from z, in inference
discriminator  logits of images, in inference
attention      one attention layer at the full resolution, forward and backward: the
               whole map in memory, and in parts
data           JPEG files and TFRecords, decoded, cropped and resized into batches
fid            the Frechet distance of two float32 arrays of features, 50,000 x 2,048
               by default. Promised: 15 s and 2 GB above the arrays, on 2 idle cores.
               --peer measures TF-GAN's own function too, which needs 8 GB.
peak           a large matrix product and a convolution: what the machine can do

For networks it prints FLOPs, by the formulas of sagan_tf/planning/flops.py and as
TensorFlow counts them, and their share of the peak, which every repeat measures again.

--compare=pytorch measures our training step and that of a PyTorch SAGAN of the same
architecture (pytorch_sagan.py) instead, in processes that take turns. It needs PyTorch.

Each measurement has a process of its own. Other programs slow it down: the load average
(how many processes wanted a core in the last minute) is printed with the seconds.
"""

import json
import os
import sys

import numpy as np
from absl import flags
from data_benchmark import KINDS, measure_data
from measuring import clock, in_own_process, machine, memory, summary
from network_benchmark import measure_attention, measure_network
from pytorch_benchmark import (
    check_comparison,
    lines_of_comparison,
    measure_comparison,
)

from sagan_tf.settings.command import load, run_command

PARTS = (
    "train_step",
    "generator",
    "discriminator",
    "attention",
    "data",
    "fid",
    "peak",
)
_SETTINGS = (
    ("resolution", 128, "width and height in pixels"),
    ("channels", 64, "multiplier of the networks' widths"),
    ("num_classes", 1000, "classes of the networks"),
    ("batch_size", 8, "images of a training step or an inference"),
    ("attention_batch_size", 1, "images in the part attention"),
    ("steps", 1, "runs of a network in each repeat"),
    ("peak_size", 4096, "rows and columns of the matrices whose product is the peak"),
    ("pictures", 256, "images made for the part data"),
    ("data_batch_size", 64, "images in a batch of the part data"),
    ("data_seconds", 3, "seconds of reading images in each repeat"),
    ("rows", 50_000, "images in each set of the part fid"),
    ("features", 2048, "features of an image of the part fid"),
    ("repeats", 3, "measurements; their median is reported"),
)


def make_features(seed, rows, num_features):
    """Seeded features, float32 (rows, num_features), whose scales fall hundredfold."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, num_features), dtype=np.float32)
    features += 0.1 * seed
    features *= np.geomspace(1, 0.01, num_features, dtype=np.float32)
    return features


def measure_fid(implementation, settings):
    """Measures the part `fid`; runs in a process of its own."""
    tfgan = load("sagan_tf.evaluation.metrics.tfgan")
    if implementation == "tfgan":
        compute = tfgan.frechet_distance
    else:
        of_moments = {
            "tfgan_on_moments": tfgan.frechet_distance_of_moments,
            "exact": load("sagan_tf.evaluation.metrics.frechet").frechet_distance,
        }[implementation]
        moments = load("sagan_tf.evaluation.metrics.moments")

        def compute(real, fake):
            return of_moments(*moments.moments_of(real, fake))

    # The first call also imports and sets up, so it is not measured.
    compute(make_features(0, 8, 4), make_features(1, 8, 4))
    shape = settings["rows"], settings["features"]
    inputs = [make_features(seed, *shape) for seed in (0, 1)]
    before = memory("VmRSS")
    runs = [clock(lambda: compute(*inputs)) for _ in range(settings["repeats"])]
    wall, processor = ([run[place] for run in runs] for place in (1, 2))
    return {"value": runs[-1][0], **summary(wall, processor, before)}


def measure(part, settings):
    """Returns the results of one part, or of the comparison: a dict."""
    if part == "comparison":
        return measure_comparison(settings)
    if part == "fid":
        names = ["exact", "tfgan_on_moments", *(["tfgan"] if settings["peer"] else [])]
        return {name: in_own_process(measure_fid, name, settings) for name in names}
    if part == "attention":
        return {
            variant: [
                in_own_process(measure_attention, variant, chunk_size, settings)
                for chunk_size in (0, None)
            ]
            for variant in ("official", "paper_icml")
        }
    if part == "data":
        return {
            kind: [in_own_process(measure_data, kind, n, settings) for n in _cores()]
            for kind in KINDS
        }
    return in_own_process(measure_network, part, settings)


def _cores():
    """One core, and all that this process may use."""
    return sorted({1, len(os.sched_getaffinity(0))})


def compare(results):
    """Adds the speed of the data relative to the training step, if both are there."""
    if "data" in results and "train_step" in results:
        rate = results["train_step"]["images_per_second"]
        for measured in (each for kind in results["data"].values() for each in kind):
            measured["times_train_step"] = measured["images_per_second"] / rate


def lines_of(part, result):
    """Yields the lines of the table about one part."""
    if part == "comparison":
        yield from lines_of_comparison(result)
    elif part == "fid":
        for name, each in result.items():
            yield f"{name:<17}{_time(each)}  value {each['value']:.9g}"
    elif part == "attention":
        for variant, measured in result.items():
            for each in measured:
                rows = f"{each['queries_at_a_time']:,} queries at a time"
                yield f"{variant:<15}{_time(each)}  {rows}"
    elif part == "data":
        for kind, measured in result.items():
            for each in measured:
                times = each.get("times_train_step")
                yield (
                    f"{kind:<15}{each['images_per_second']:8.1f} images/s on "
                    f"{each['cores']} cores, {each['images_per_core_second']:.1f} per "
                    f"second of a core, {each['bytes_per_picture'] / 1e3:.0f} kB each, "
                    f"load {each['load_average']:.1f}"
                    + (f", {times:.1f} x the training step" if times else "")
                )
    else:
        if part != "peak":
            yield f"{part:<15}{_time(result)}"
            yield from _speed_lines(result)
        yield (
            f"{'':15}peak: matrix product "
            f"{result['matmul_flops_per_second'] / 1e9:,.1f} GFLOP/s, convolution "
            f"{result['convolution_flops_per_second'] / 1e9:,.1f} GFLOP/s "
            f"({result['convolution']})"
        )


def _time(result):
    above = result["bytes_above_inputs"]
    used = "memory unknown" if above is None else f"{above / 1e9:.2f} GB above inputs"
    return (
        f"{result['seconds']:8.2f} s  {used}  "
        f"({result['processor_seconds']:.1f} s of processor time, "
        f"load {result['load_average']:.1f})"
    )


def _speed_lines(result):
    yield (
        f"{'':15}{result['images_per_second']:.3f} images/s, first call "
        f"{result['first_call_seconds']:.1f} s"
    )
    for text, flops, rate, shares in (
        ("by formula", "flops_formula", "flops_per_second", "share_of"),
        ("as counted", "flops_counted", "counted_flops_per_second", "counted_share_of"),
    ):
        yield (
            f"{'':15}{text}: {result[flops] / 1e9:,.1f} GFLOP, "
            f"{result[rate] / 1e9:,.1f} GFLOP/s, "
            f"{100 * result[shares + '_matmul']:.1f} % of the matrix product, "
            f"{100 * result[shares + '_convolution']:.1f} % of the convolution"
        )
    for name, each in result["folded"].items():
        yield (
            f"{'':15}folded, {name}: {each['images_per_second']:.3f} images/s, "
            f"{each['times_the_generator']:.2f} x"
        )


def main(values):
    """Measures the chosen parts and prints the results."""
    parts = PARTS if values.part == ["all"] else values.part
    if values.compare:
        check_comparison(values.part, values.dtype_policy)
        parts = ("comparison",)
    settings = {name: values[name].value for name, _, _ in _SETTINGS}
    for name in ("dtype_policy", "jit_compile", "peer", "attention_resolution"):
        settings[name] = values[name].value
    if settings["attention_resolution"] is None:
        settings["attention_resolution"] = min(32, settings["resolution"] // 2)
    report = {"machine": machine(), "settings": settings, "results": {}}
    if not values.json:
        print(", ".join(f"{k} {v}" for k, v in report["machine"].items()))
        print(", ".join(f"{k} {v}" for k, v in settings.items()), flush=True)
    for part in parts:
        report["results"][part] = measure(part, settings)
        compare(report["results"])
        if not values.json:
            print(*lines_of(part, report["results"][part]), sep="\n", flush=True)
    if values.json:
        print(json.dumps(report, indent=2))
    return 0


def define(values):
    """Defines the flags."""
    flags.DEFINE_list(
        "part", ["all"], f"all, or some of {', '.join(PARTS)}", flag_values=values
    )
    flags.register_validator(
        "part",
        lambda parts: parts == ["all"] or (parts and set(parts) <= set(PARTS)),
        f"should be one of all, {', '.join(PARTS)}, or several separated by commas.",
        flag_values=values,
    )
    for name, default, text in _SETTINGS:
        flags.DEFINE_integer(name, default, text, lower_bound=1, flag_values=values)
    flags.DEFINE_integer(
        "attention_resolution", None, "default: 32 at most", flag_values=values
    )
    flags.DEFINE_enum(
        "dtype_policy",
        "float32",
        ["float32", "mixed_bfloat16", "mixed_float16"],
        "Keras' dtype policy, and the peak's dtype",
        flag_values=values,
    )
    flags.DEFINE_bool("jit_compile", False, "compile with XLA", flag_values=values)
    flags.DEFINE_enum(
        "compare",
        None,
        ["pytorch"],
        "compare the training step with this library's, and measure nothing else",
        flag_values=values,
    )
    flags.DEFINE_bool("peer", False, "measure TF-GAN's FID too", flag_values=values)
    flags.DEFINE_bool("json", False, "print JSON", flag_values=values)


if __name__ == "__main__":
    sys.exit(run_command(main, define, __doc__))
