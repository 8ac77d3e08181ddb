"""What the parts of scripts/benchmark.py share: clocks, memory, processes, versions."""

import concurrent.futures
import importlib.metadata
import multiprocessing
import os
import pathlib
import platform
import statistics
import time

from sagan_tf.settings.command import load

# The instructions that decide how fast a processor multiplies matrices.
_CPU_FLAGS = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("avx_vnni", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve"),
)
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn")


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


def clock(compute):
    """Runs `compute()`: what it returns, seconds, seconds of processor time."""
    start = time.perf_counter(), time.process_time()
    value = compute()
    return value, time.perf_counter() - start[0], time.process_time() - start[1]


def summary(wall, processor, before):
    """What every measurement reports: a dict.

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
    """What `function(*arguments)` returns in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def machine():
    """Processor, its instructions, cores, versions, git commit: a dict."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    models = [value.strip() for key, value in pairs if key.strip() == "model name"]
    found = [
        value.split() for key, value in pairs if key.strip() in ("flags", "Features")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cpu_flags": [flag for flag in _CPU_FLAGS if found and flag in found[0]],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        **in_own_process(_git_state),
    }


def _git_state():
    return load("sagan_tf.run.versions").git_state()
