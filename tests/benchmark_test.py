"""scripts/benchmark.py at a tiny size.

One test measures in processes of their own, as the script does. The others measure in
the process of the tests: each fresh process loads TensorFlow for many seconds.
"""

import contextlib
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import textwrap

import keras
import pytest

from sagan_tf.errors import BadInput
from sagan_tf.planning.plan import read_measurement
from sagan_tf.settings.command import run_command

SCRIPT = pathlib.Path(__file__).parent.parent / "scripts" / "benchmark.py"
TINY = (
    "--resolution=32",
    "--channels=4",
    "--num_classes=3",
    "--batch_size=2",
    "--peak_size=64",
    "--pictures=8",
    "--data_batch_size=4",
    "--data_seconds=1",
    "--rows=50",
    "--features=5",
    "--repeats=2",
)


def run(*flags):
    command = [sys.executable, str(SCRIPT), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def measure_here(*flags):
    """Runs the script in this process; returns what it prints."""
    cores, policy = os.sched_getaffinity(0), keras.config.dtype_policy()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        import benchmark
        import measuring

        def in_this_process(function, *arguments):
            try:
                return function(*arguments)
            finally:
                os.sched_setaffinity(0, cores)
                keras.config.set_dtype_policy(policy)

        for module in (benchmark, measuring):
            patch.setattr(module, "in_own_process", in_this_process)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            command = ["benchmark", *flags]
            assert run_command(benchmark.main, benchmark.define, "", command) == 0
    return printed.getvalue()


@pytest.mark.slow
def test_both_implementations_are_measured_and_agree():
    result = run(
        "--part=fid", "--rows=3000", "--features=30", "--repeats=2", "--peer", "--json"
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    results = report["results"]["fid"]
    ours, on_moments, peer = (
        results[name] for name in ("exact", "tfgan_on_moments", "tfgan")
    )
    for measured in (ours, on_moments):
        assert measured["value"] == pytest.approx(peer["value"], rel=1e-9)
    assert ours["value"] > 0.01
    for measured in (ours, on_moments, peer):
        assert len(measured["seconds_of_each"]) == 2
        assert 0 < measured["seconds"] <= max(measured["seconds_of_each"])
    # Both convert to float64; ours only a piece at a time.
    assert 0 <= ours["bytes_above_inputs"] < 100e6


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The path of a report on all parts."""
    path = tmp_path_factory.mktemp("benchmark") / "measured.json"
    path.write_text(measure_here(*TINY, "--json"))
    return path


@pytest.mark.slow
def test_a_report_says_on_what_machine_it_was_made(everything):
    machine = json.loads(everything.read_text())["machine"]
    assert machine["cores"] and machine["tensorflow"] and machine["keras"]
    assert "cpu_flags" in machine and "git_commit" in machine


@pytest.mark.slow
@pytest.mark.parametrize("part", ["train_step", "generator", "discriminator"])
def test_networks_are_measured_beside_the_peak(everything, part):
    result = json.loads(everything.read_text())["results"][part]
    assert len(result["seconds_of_each"]) == 2
    assert result["images_per_second"] == pytest.approx(2 / result["seconds"])
    speed = result["flops_formula"] / result["seconds"]
    assert result["flops_per_second"] == pytest.approx(speed)
    assert 0 < result["flops_counted"] < 1.3 * result["flops_formula"]
    # A median of shares is near the share of the medians.
    share = speed / result["matmul_flops_per_second"]
    assert 0.2 * share < result["share_of_matmul"] < 5 * share
    assert result["peak_memory_bytes"] > 1e8


@pytest.mark.slow
def test_attention_is_measured_whole_and_in_parts(everything):
    results = json.loads(everything.read_text())["results"]["attention"]
    assert set(results) == {"official", "paper_icml"}
    for whole, parts in results.values():
        # At 32 x 32 locations the map is so small that it stays whole.
        assert whole["queries_at_a_time"] == parts["queries_at_a_time"] == 1024
        assert whole["seconds"] > 0 and whole["peak_memory_bytes"] > 0


@pytest.mark.slow
def test_the_folded_generator_is_measured_beside_the_generator(everything):
    folded = json.loads(everything.read_text())["results"]["generator"]["folded"]
    assert set(folded) == {"any class", "one class"}
    for each in folded.values():
        assert each["images_per_second"] > 0 and each["times_the_generator"] > 0


@pytest.mark.slow
def test_data_are_read_in_every_form_and_compared_with_the_step(everything):
    results = json.loads(everything.read_text())["results"]
    assert set(results["data"]) == {"folder", "tfrecord_jpeg", "tfrecord_raw"}
    for measured in results["data"].values():
        assert measured[0]["cores"] == 1
        for each in measured:
            ratio = (
                each["images_per_second"] / results["train_step"]["images_per_second"]
            )
            assert each["times_train_step"] == pytest.approx(ratio)
    folder, raw = (results["data"][kind][0] for kind in ("folder", "tfrecord_raw"))
    assert 80e3 < folder["bytes_per_picture"] < 140e3
    assert raw["bytes_per_picture"] == pytest.approx(32 * 32 * 3, rel=0.1)


@pytest.mark.slow
def test_plan_reads_a_report(everything):
    measured = read_measurement(everything)
    assert measured["utilization"] > 0
    assert measured["images_per_core_second"] > 0


@pytest.mark.slow
def test_people_read_a_table():
    printed = measure_here(*TINY, "--part=fid,peak", "--dtype_policy=mixed_bfloat16")
    for name in ("exact", "tfgan_on_moments"):
        (line,) = (x for x in printed.splitlines() if x.startswith(f"{name} "))
        assert " s  " in line and "load" in line
    assert "matrix product" in printed


def test_a_part_that_is_not_there_is_refused():
    result = run("--part=swd")
    assert result.returncode == 2
    assert "part must be one of all, train_step," in result.stderr


@pytest.mark.slow
def test_both_training_steps_are_compared():
    pytest.importorskip("torch", reason="PyTorch is in the torch extra")
    result = run(*TINY, "--compare=pytorch", "--json")
    assert result.returncode == 0, result.stderr
    results = json.loads(result.stdout)["results"]
    assert set(results) == {"comparison"}
    ours, peer = (results["comparison"][name] for name in ("ours", "pytorch"))
    for measured in (ours, peer):
        assert len(measured["seconds_of_each"]) == 2
        assert measured["images_per_second"] == pytest.approx(2 / measured["seconds"])
        assert measured["peak_memory_bytes"] > 1e8
    assert ours["parameters"] == peer["parameters"]
    assert min(ours["parameters"]) > 1e4
    ratios = [
        of_peer / of_ours
        for of_ours, of_peer in zip(ours["seconds_of_each"], peer["seconds_of_each"])
    ]
    times = results["comparison"]["times_pytorch"]
    assert times == pytest.approx(statistics.median(ratios))


def refused(capsys, *flags):
    """The line with which the script refuses flags."""
    import benchmark

    command = ["benchmark", *flags]
    assert run_command(benchmark.main, benchmark.define, "", command) == 2
    printed = capsys.readouterr()
    assert not printed.out
    (line,) = printed.err.splitlines()
    return line


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)


def test_without_pytorch_a_comparison_says_what_to_install(
    scripts, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert refused(capsys, "--compare=pytorch") == (
        "error: --compare=pytorch needs PyTorch. Received: a Python without torch. "
        "Try pip install -e '.[torch]'."
    )


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--part=fid", "only the training step. Received: --part=fid."),
        ("--dtype_policy=mixed_float16", "Received: --dtype_policy=mixed_float16."),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(scripts, capsys, flag, words):
    assert words in refused(capsys, "--compare=pytorch", flag)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("parameters", [5, 7], RuntimeError),
        ("device", "a GPU", BadInput),
    ],
)
def test_other_networks_and_devices_are_not_compared(scripts, key, value, error):
    from pytorch_benchmark import check_peer

    ours = {"library": "a", "device": "CPU", "parameters": [5, 6]}
    check_peer(ours, {**ours, "library": "b"})
    with pytest.raises(error, match=str(value).strip("[]")):
        check_peer(ours, {**ours, key: value})


MAKERS = """
    import os

    def maker(name):
        def note():
            with open({path!r}, "a") as file:
                file.write(f"{{name}} {{os.getpid()}}\\n")
        return {{"named": name}}, note

    def make_first(settings):
        return maker(settings["a"])

    def make_second(settings):
        return maker(settings["b"])
"""


def test_processes_take_turns(scripts, monkeypatch, tmp_path):
    from measuring import in_turns

    path = tmp_path / "notes"
    (tmp_path / "makers.py").write_text(textwrap.dedent(MAKERS.format(path=str(path))))
    monkeypatch.syspath_prepend(tmp_path)
    import makers

    result = in_turns(
        {"one": makers.make_first, "two": makers.make_second}, {"a": "A", "b": "B"}, 2
    )
    assert [result[name]["named"] for name in ("one", "two")] == ["A", "B"]
    assert [len(result[name]["seconds_of_each"]) for name in ("one", "two")] == [2, 2]
    notes = [line.split() for line in path.read_text().splitlines()]
    # The first run of each is not counted.
    assert [name for name, _ in notes] == ["A", "B"] * 3
    assert len({process for _, process in notes}) == 2
