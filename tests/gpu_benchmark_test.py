"""scripts/gpu_benchmark.py, on the CPU at a tiny size."""

import os
import pathlib
import subprocess
import sys

import pytest

from sagan_tf.settings.command import run_command

ROOT = pathlib.Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "gpu_benchmark.py"
SETTINGS = {
    "resolution": 32,
    "channels": 2,
    "num_classes": 3,
    "attention_resolution": 16,
    "dtype": "float32",
    "batch_size": 4,
    "peak_size": 64,
    "steps": 1,
    "repeats": 2,
}
SIDE = {
    "library": "JAX 1",
    "device": "a card",
    "flops": [30e9, 50e9],
    "peak": 1e12,
    "generator": {"seconds": 0.1, "bytes": 2e9},
    "discriminator": {"seconds": 0.2, "bytes": None},
}


@pytest.fixture
def script(monkeypatch):
    """The module of the script."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import gpu_benchmark

    return gpu_benchmark


def refused(script, capsys, *flags):
    """The line with which the script refuses flags."""
    assert run_command(script.main, script.define, "", ["gpu", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("torch", "This script needs PyTorch. Received: a Python without torch. Try"),
        ("jax", "This script needs JAX. Received: a Python without jax. Try"),
    ],
)
def test_a_missing_library_is_named_in_one_line(
    script, monkeypatch, capsys, package, line
):
    for name in ("jax", "keras", "torch"):
        # `find_spec` takes a module's word for where it comes from.
        monkeypatch.setitem(sys.modules, name, sys.modules["pytest"])
    monkeypatch.setitem(sys.modules, package, None)
    assert line in refused(script, capsys)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--batch_size=0", "batch_size must be a whole number from 1 to"),
        ("--dtype=int8", "dtype must be one of float32, bfloat16."),
    ],
)
def test_bad_flags_are_refused_in_one_line(script, capsys, flag, words):
    assert words in refused(script, capsys, flag)


def test_a_row_has_speed_share_and_memory(script):
    peer = {**SIDE, "library": "PyTorch 2", "peak": 2e12}
    peer["generator"] = {"seconds": 0.05, "bytes": 3e9}
    head, _, _, _, *rows = script.table([(SETTINGS, SIDE, peer)]).splitlines()
    assert "a card" in head and "float32 2 TFLOP/s" in head
    generator, discriminator = (row.strip("| ").split(" | ") for row in rows)
    assert generator == "generator 16 float32 4 40.0 80.0 0.50".split() + [
        *("15.0 %", "30.0 %", "2", "3")
    ]
    assert discriminator[:7] == "discriminator 16 float32 4 20.0 20.0 1.00".split()


def test_a_network_that_is_too_large_for_the_card_has_a_row(script):
    peer = {**SIDE, "library": "PyTorch 2", "generator": None}
    row = script.table([(SETTINGS, SIDE, peer)]).splitlines()[4]
    assert row == (
        "| generator | 16 | float32 | 4 | 40.0 | out of memory |  | 30.0 % |  | 2 |  |"
    )


def test_only_too_little_memory_is_forgiven(script):
    def fail(text):
        raise RuntimeError(text)

    assert script._if_it_fits(fail, "RESOURCE_EXHAUSTED: Out of memory while") is None
    with pytest.raises(RuntimeError, match="a bug"):
        script._if_it_fits(fail, "a bug")


@pytest.mark.slow
def test_what_ours_imports_needs_no_tensorflow(tmp_path):
    pytest.importorskip("jax", reason="JAX is in the test extra")
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('loads TensorFlow')")
    path = os.pathsep.join([str(tmp_path), str(ROOT), str(SCRIPT.parent)])
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import gpu_benchmark, sagan_tf.networks, sagan_tf.planning.flops",
        ],
        env={**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.slow
def test_a_table_is_written_without_tensorflow(tmp_path):
    pytest.importorskip("jax", reason="JAX is in the test extra")
    pytest.importorskip("torch", reason="PyTorch is in the torch extra")
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('loads TensorFlow')")
    settings = {**SETTINGS, "dtype": "bfloat16"}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    path = tmp_path / "table.md"
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *flags, f"--output={path}"],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            # XLA compiles in half the time.
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    lines = path.read_text().splitlines()[4:]
    assert result.stdout.splitlines()[1:-1] == lines
    rows = [line.split(" | ") for line in lines]
    assert [row[:4] for row in rows] == [
        [f"| {network}", "16", "bfloat16", "4"]
        for network in ("generator", "discriminator")
    ]
    for row in rows:
        assert all(float(cell.strip(" %|")) > 0 for cell in row[4:10])
    assert not list(tmp_path.glob("*.tmp"))
