"""Measures the time and the memory of what has a promise to keep.

    python scripts/benchmark.py --part=fid
    python scripts/benchmark.py --part=fid --peer --json

fid: the Frechet distance of two float32 arrays of features, 50,000 x 2,048 unless flags
say otherwise, from the arrays to the number. Promised: 15 s and 2 GB above the arrays,
on 2 idle cores. --peer measures TF-GAN's own function too, which needs 8 GB.

Each measurement has a process of its own. Other programs on the machine make it slower:
the load average (how many wanted a core in the last minute) stands beside the seconds.
"""

import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import platform
import statistics
import sys
import time

import numpy as np
import scipy
import sklearn
from absl import flags

from sagan_tf.flags import load, run_command


def make_features(seed, rows, num_features):
    """Seeded features, float32 (rows, num_features), whose scales fall hundredfold."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, num_features), dtype=np.float32)
    features += 0.1 * seed
    features *= np.geomspace(1, 0.01, num_features, dtype=np.float32)
    return features


def memory(kind):
    """This process's memory in bytes, or `None` where there is no /proc.

    Args:
        kind: str, `"VmRSS"` for what it has now, `"VmHWM"` for the most it ever had.
    """
    path = pathlib.Path("/proc/self/status")
    if not path.exists():
        return None
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(lines[kind].split()[0]) * 1024


def measure(compute, inputs, repeats):
    """Runs `compute(*inputs)` `repeats` times and reports on it: a dict."""
    before = memory("VmRSS")
    wall, processor = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        value = compute(*inputs)
        wall.append(time.perf_counter() - start[0])
        processor.append(time.process_time() - start[1])
    return {
        "value": value,
        "seconds": statistics.median(wall),
        "seconds_of_each": wall,
        "processor_seconds": statistics.median(processor),
        "bytes_above_inputs": before and memory("VmHWM") - before,
        "load_average": os.getloadavg()[0],
    }


def measure_fid(implementation, rows, num_features, repeats):
    """The part `fid`; runs in a process of its own."""
    if implementation == "tfgan":
        compute = load("sagan_tf.evaluation.tfgan").frechet_distance
    else:
        metrics = load("sagan_tf.evaluation.metrics")

        def compute(real, fake):
            return metrics.frechet_distance(*metrics.moments_of(real, fake))

    # What is imported and set up at the first call is not measured.
    compute(make_features(0, 8, 4), make_features(1, 8, 4))
    inputs = [make_features(seed, rows, num_features) for seed in (0, 1)]
    return measure(compute, inputs, repeats)


# name: (function of an implementation, rows, features and repeats; the peer's name)
PARTS = {"fid": (measure_fid, "tfgan")}


def in_own_process(function, *arguments):
    """What `function(*arguments)` returns in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def machine():
    """Processor, cores and versions: a dict."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }


def describe(name, result):
    """One line about a measurement."""
    above = result["bytes_above_inputs"]
    used = "memory unknown" if above is None else f"{above / 1e9:.2f} GB above inputs"
    return (
        f"{name:10}{result['seconds']:8.2f} s  {used}  "
        f"({result['processor_seconds']:.1f} s of processor time, "
        f"load {result['load_average']:.1f})  value {result['value']:.9g}"
    )


def main(values):
    """Measures one part and prints it."""
    function, peer = PARTS[values.part]
    arguments = (values.rows, values.features, values.repeats)
    names = ["sagan_tf", *([peer] if values.peer else [])]
    results = {name: in_own_process(function, name, *arguments) for name in names}
    report = {
        "part": values.part,
        "rows": values.rows,
        "features": values.features,
        "repeats": values.repeats,
        "machine": machine(),
        "results": results,
    }
    if values.json:
        print(json.dumps(report, indent=2))
        return 0
    print(f"{values.part}: {values.rows:,} x {values.features:,}, median of", end=" ")
    print(f"{values.repeats}")
    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name, result in results.items():
        print(describe(name, result))
    return 0


def define(values):
    """Defines the flags."""
    flags.DEFINE_enum("part", "fid", list(PARTS), "what to measure", flag_values=values)
    for name, default, text in (
        ("rows", 50_000, "images in each set"),
        ("features", 2048, "features of an image"),
        ("repeats", 3, "runs; their median is reported"),
    ):
        flags.DEFINE_integer(name, default, text, lower_bound=1, flag_values=values)
    flags.DEFINE_bool("peer", False, "measure the peer too", flag_values=values)
    flags.DEFINE_bool("json", False, "print JSON", flag_values=values)


if __name__ == "__main__":
    sys.exit(run_command(main, define, __doc__))
