"""Clocks, memory, processes and versions for the parts of scripts/benchmark.py."""

import concurrent.futures
import contextlib
import importlib.metadata
import importlib.util
import multiprocessing
import os
import pathlib
import platform
import statistics
import time

from sagan_tf.errors import BadInput
from sagan_tf.settings.command import load

# The instructions that decide how fast a processor multiplies matrices.
_CPU_FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "avx_vnni",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "sve",
)
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")

# What `in_turns` runs in this process.
_task = {}


def memory(kind):
    """Returns this process's memory in bytes, or `None` where there is no /proc.

    Args:
        kind: str, `"VmRSS"` for the current memory, `"VmHWM"` for the highest so far.
    """
    path = pathlib.Path("/proc/self/status")
    if not path.exists():
        return None
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(lines[kind].split()[0]) * 1024


def clock(compute):
    """Runs `compute()`; returns its result, seconds, and seconds of processor time."""
    start = time.perf_counter(), time.process_time()
    value = compute()
    return value, time.perf_counter() - start[0], time.process_time() - start[1]


def summary(wall, processor, before):
    """Returns the values that every measurement reports: a dict.

    Args:
        wall, processor: lists of seconds, one value a repeat.
        before: bytes, `memory("VmRSS")` before the first repeat, or `None`.
    """
    most = memory("VmHWM")
    return {
        "seconds": statistics.median(wall),
        "seconds_of_each": wall,
        "processor_seconds": statistics.median(processor),
        "peak_memory_bytes": most,
        "bytes_above_inputs": before and most - before,
        "load_average": os.getloadavg()[0],
    }


def in_own_process(function, *arguments):
    """Returns `function(*arguments)`, called in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def in_turns(makers, settings, repeats):
    """Measures functions side by side: each has a process, and they run in turn.

    Other programs then slow down all of them alike. A waiting process takes no time.

    Args:
        makers: dict of name to a function that is called with `settings` in the
            process of that name. It returns a dict of facts and the function to
            measure, which takes no arguments.
        settings: dict of the script's flags.
        repeats: int, runs of each one after its first, which is not counted.

    Returns:
        Dict of name to the facts and the values of `summary`.
    """
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        pools = {
            name: stack.enter_context(
                concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
            )
            for name in makers
        }
        facts = {
            name: pool.submit(_make, makers[name], settings).result()
            for name, pool in pools.items()
        }
        for _ in range(repeats):
            for pool in pools.values():
                pool.submit(_run).result()
        return {
            name: {**facts[name], **pool.submit(_summary_of_runs).result()}
            for name, pool in pools.items()
        }


def _make(maker, settings):
    facts, run = maker(settings)
    _task.update(run=run, wall=[], processor=[], before=memory("VmRSS"))
    _, seconds, _ = clock(run)
    return {**facts, "first_call_seconds": seconds}


def _run():
    _, seconds, busy = clock(_task["run"])
    _task["wall"].append(seconds)
    _task["processor"].append(busy)


def _summary_of_runs():
    return summary(_task["wall"], _task["processor"], _task["before"])


def check_installed(package, name, user, remedy):
    """Raises `BadInput` unless a package is installed; does not import it.

    Args:
        package: str, the name of the module.
        name: str, its usual name.
        user: str, what needs the package.
        remedy: str, what to try.
    """
    if importlib.util.find_spec(package) is None:
        raise BadInput(
            f"{user} needs {name}. Received: a Python without {package}. Try {remedy}."
        )


def machine():
    """Returns processor, its instructions, cores, versions, git commit: a dict."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    models = [value.strip() for key, value in pairs if key.strip() == "model name"]
    instructions = [
        value.split() for key, value in pairs if key.strip() in ("flags", "Features")
    ]
    instructions = instructions[0] if instructions else []
    return {
        "processor": models[0] if models else platform.machine(),
        "cpu_flags": [flag for flag in _CPU_FLAGS if flag in instructions],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        **in_own_process(_git_state),
    }


def _git_state():
    return load("sagan_tf.run.versions").git_state()
