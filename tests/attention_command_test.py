"""The command `attention` as a user types it."""

import json
import re

import numpy as np
import pytest
from attention_runs import make_run
from PIL import Image

from sagan_tf import attention


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    make_run(workdir)
    return workdir


def command(workdir, output, /, **flags):
    flags = {"workdir": workdir, "output": output, "seeds": "3", **flags}
    words = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    return attention.main(["attention", *words])


@pytest.mark.slow
def test_it_writes_a_figure_numbers_and_a_page(workdir, tmp_path, capsys):
    output, page = tmp_path / "a.png", tmp_path / "a.html"
    assert command(workdir, output, html=page, labels="4,7", num_queries=3) == 0
    told = json.loads((tmp_path / "a.json").read_text())
    assert [each["title"] for each in told["pictures"]] == [
        "seed 3, class 4",
        "seed 3, class 7",
    ]
    assert all(
        len(layer["queries"]) == 3
        for each in told["pictures"]
        for layer in each["layers"]
    )
    printed = capsys.readouterr().out
    assert str(output) in printed and str(page) in printed
    bits = told["layers"][0]["entropy_bits"]
    assert re.search(rf"generator attention_16x16 +0.25 +{bits:.2f} bits", printed)
    assert np.asarray(Image.open(output)).std() > 20


def test_real_images_of_the_run_can_be_looked_at(workdir, tmp_path):
    assert command(workdir, tmp_path / "a.png", images="real", seeds="0-1") == 0
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["images"] == "real"
    networks = {layer["network"] for p in told["pictures"] for layer in p["layers"]}
    assert networks == {"discriminator"}


@pytest.mark.slow
def test_the_history_is_in_all_files(workdir, tmp_path, capsys):
    one, other = tmp_path / "a.png", tmp_path / "b.png"
    assert command(workdir, one, history=True, network="generator") == 0
    assert command(workdir, other, network="generator") == 0
    history = json.loads((tmp_path / "a.json").read_text())["history"]
    assert [record["step"] for record in history] == [2, 4]
    assert "no effect" in capsys.readouterr().out
    assert Image.open(one).size[1] > Image.open(other).size[1] + 150


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"queries": "40,3"}, ["queries", "0..31", "40,3"]),
        ({"queries": "here"}, ["queries", "'here'"]),
        ({"seeds": "7-3"}, ["seeds", "'7-3'"]),
        ({"labels": "10"}, ["labels", "below 10"]),
        ({"checkpoint": "5"}, ["no checkpoint of step 5", "2, 4"]),
        ({"checkpoint": "last"}, ["newest, best", "'last'"]),
        ({"workdir": "nowhere"}, ["nowhere is not the directory of a run"]),
        ({"workdir": None}, ["--workdir is needed"]),
        ({"output": "a.jpg"}, ["--output must be a .png", "a.jpg"]),
        ({"num_queries": 8}, ["num_queries"]),
        ({"network": "both"}, ["network", "both"]),
        ({"network": "generator", "images": "real"}, ["real images"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_one_line_and_nothing_is_written(
    workdir, tmp_path, capsys, monkeypatch, flags, words
):
    monkeypatch.chdir(tmp_path)
    assert command(workdir, tmp_path / "a.png", **flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and all(word in line for word in words)
    assert not list(tmp_path.iterdir())


def test_a_run_without_attention_is_one_line(tmp_path, capsys):
    make_run(tmp_path / "run", attention_resolution=())
    assert command(tmp_path / "run", tmp_path / "a.png", html=tmp_path / "a.html") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "There is no attention to look at" in line
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_help_names_every_flag(capsys):
    assert attention.main(["attention", "--help"]) == 0
    text = capsys.readouterr().out
    for name in ("workdir", "output", "html", "seeds", "labels", "queries", "network"):
        assert f"--{name}=" in text
    assert "--[no]history (no)" in text and "--[no]ema (yes)" in text
    assert max(len(line) for line in text.splitlines()) <= 88
