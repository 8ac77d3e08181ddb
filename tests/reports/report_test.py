"""The report of a run that was never trained; opened in a browser."""

import json
import shlex
import shutil

import numpy as np
import pytest
import untrained
from browser import open_browser
from PIL import Image

from sagan_tf import report as command
from sagan_tf.evaluation.features import of_run
from sagan_tf.reports import report
from sagan_tf.run.building import describe_data, open_data, survey_data
from sagan_tf.settings.config import Config
from tests.evaluation.small_network import small_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a folder of two classes, with grids, metrics and looks."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    for name, count in (("cat", 40), ("dog", 9)):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(count):
            pixels = random.integers(0, 256, (32, 32), np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{i}.png")
    workdir = folder / "mine"
    settings = {"dataset": f"folder:{folder / 'data'}", "num_classes": 2}
    untrained.write_run(workdir, **settings)
    config = Config(resolution=32, **settings)
    source, _ = open_data(config)
    about = describe_data(source, survey_data(config, source))
    (workdir / "data.json").write_text(json.dumps(about))
    look = {"diversity": 0.01, "logit_gap": 1.0, "gradient_norm_g": 1.0}
    look |= {"gradient_norm_d": 1.0, "complaints": []}
    for step in (1, 4, 7):
        grid = Image.new("L", (40, 60), 30 * step)
        grid.save(workdir / "samples" / f"step_{step:08d}.png")
        line = {"step": step, "images": 8 * step, "images_per_second": 4.0}
        with open(workdir / "metrics.jsonl", "a") as file:
            file.write(json.dumps({**line, "g_loss": 1.0, "d_loss": 2.0}) + "\n")
        with open(workdir / "health.jsonl", "a") as file:
            file.write(json.dumps({"step": step, **look}) + "\n")
    return workdir


@pytest.fixture(scope="module")
def written(run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_run, "open_feature_network", lambda *_: small_network())
        patch.setattr(report, "_LEAST_FAKE", 10)
        assert command.main(["report", f"--workdir={run}"]) == 0
    return run / "report.html"


def test_the_report_shows_everything_in_a_browser(written, tmp_path):
    with open_browser() as browser:
        browser.open(written)
        browser.resize(1200, 800)
        titles = browser.script(
            "return [...document.querySelectorAll('h2')].map(e => e.textContent)"
        )
        assert titles == [
            *("Result", "Data", "Metrics", "The training", "A walk"),
            *("Nearest training images", "Attention", "Time and machine", "What next"),
        ]
        widths = browser.script("return [...document.images].map(e => e.naturalWidth)")
        assert len(widths) == 8 and all(widths)
        text = browser.text("body")
        assert browser.errors() == []
        # Nothing is wider than a phone.
        browser.resize(400, 800, is_phone=True)
        assert browser.script("return document.documentElement.scrollWidth") <= 400
    for words in (
        "Step 7 of 1,000,000",
        "cat, dog have fewer than 50 images",
        "recall",
        "49 real ones",
        "Images of different z look alike",
        "14 s",
        f"python -m sagan_tf.export --workdir={written.parent}",
    ):
        assert words in text, words


def test_the_markdown_has_the_same_sections_and_images(written):
    text = (written.parent / "report.md").read_text()
    assert text.count("\n## ") == 9
    for name in ("report/data.png", "report/walk.png", "samples/step_00000007.png"):
        assert f"]({name})" in text and (written.parent / name).exists()


def test_what_is_missing_is_said_in_its_place(run, monkeypatch, capsys):
    def nothing(*_):
        raise of_run.BadInput("There is no network. Try --inception=DIR.")

    monkeypatch.setattr(of_run, "open_feature_network", nothing)
    (run / "evaluations.jsonl").unlink(missing_ok=True)
    monkeypatch.setattr(of_run, "_train", nothing)
    assert command.main(["report", f"--workdir={run}"]) == 0
    text = (run / "report.md").read_text()
    assert "Not measured: There is no network." in text
    assert "Not searched: There is no network." in text


def test_a_value_that_is_not_finite_is_left_out(run, capsys):
    line = {"step": 7, "network": {"name": "a"}, "protocol": {"name": "b"}}
    line["metrics"] = {"fid": None, "kid": None, "recall": 0.5}
    (run / "evaluations.jsonl").write_text(json.dumps(line) + "\n")
    (run / "samples" / "step_7 (copy).png").write_bytes(b"")
    assert command.main(["report", f"--workdir={run}"]) == 0
    text = (run / "report.md").read_text()
    assert "recall" in text and "| FID" not in text


def damage_survey(run):
    about = json.loads((run / "data.json").read_text())
    about["survey"]["counts"] = {"cat": "many"}
    (run / "data.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (damage_survey, "data.json is damaged: survey.counts.cat must be a whole"),
        (lambda run: (run / "versions.json").write_text("{}"), "it must be a list"),
        (lambda run: (run / "report.html").mkdir(), "report.html"),
        (lambda run: (run / "samples" / "step_7.png").write_text("a"), "be an image"),
    ],
)
def test_what_spoils_the_report_is_said_before_the_work(
    run, tmp_path, capsys, monkeypatch, damage, line
):
    shutil.copytree(run, tmp_path / "mine")
    (tmp_path / "mine" / "report.html").unlink(missing_ok=True)
    damage(tmp_path / "mine")
    monkeypatch.setattr(report.building, "load_generator", None)
    assert command.main(["report", f"--workdir={tmp_path / 'mine'}"]) == 2
    captured = capsys.readouterr()
    assert line in captured.err and captured.err.count("\n") == 1


def test_commands_can_be_pasted_whatever_the_folder_is_called(tmp_path):
    workdir = tmp_path / "l\u00e4ufe" / "lauf '\u00fc' & 1"
    for line in report._next(workdir, Config(), 7).commands:
        assert f"--workdir={workdir}" in shlex.split(line)
    assert f"--output=models/{workdir.name}/1" in shlex.split(line)


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert command.main(["report", f"--workdir={tmp_path}"]) == 2
    assert "config.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
