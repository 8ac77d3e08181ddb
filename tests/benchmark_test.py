"""scripts/benchmark.py at a tiny size."""

import json
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent.parent / "scripts" / "benchmark.py"


def run(*flags):
    command = [sys.executable, str(SCRIPT), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_both_implementations_are_measured_and_agree():
    result = run("--rows=3000", "--features=30", "--repeats=2", "--peer", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    ours, peer = report["results"]["sagan_tf"], report["results"]["tfgan"]
    assert ours["value"] == pytest.approx(peer["value"], rel=1e-9)
    assert ours["value"] > 0.01
    for measured in (ours, peer):
        assert len(measured["seconds_of_each"]) == 2
        assert 0 < measured["seconds"] <= max(measured["seconds_of_each"])
    # Both convert to float64; ours only a piece at a time.
    assert 0 <= ours["bytes_above_inputs"] < 100e6
    assert report["machine"]["cores"] and report["machine"]["numpy"]


@pytest.mark.slow
def test_people_read_one_line_per_implementation():
    result = run("--part=fid", "--rows=50", "--features=5", "--repeats=1")
    assert result.returncode == 0, result.stderr
    (line,) = (x for x in result.stdout.splitlines() if x.startswith("sagan_tf"))
    assert " s  " in line and "load" in line


def test_a_part_that_is_not_there_is_refused():
    result = run("--part=swd")
    assert result.returncode == 2
    assert "should be one of" in result.stderr
