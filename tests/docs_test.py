"""What README.md and docs/ tell people to type is real."""

import importlib
import pathlib
import re
import shlex

import pytest

from sagan_tf.settings.command import config_from_flags, parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")
}
PAGES[ROOT / "README.md"] = README
TEXT = "\n".join(PAGES.values())
COMMANDS = re.findall(r"^    python -m (sagan_tf\.\w+) (.+)$", TEXT, re.MULTILINE)
SCRIPTS = re.findall(r"(?:^    |`)(?:python )?(scripts/\w+\.\w+)", TEXT, re.MULTILINE)


def test_readme_has_commands():
    assert {module.removeprefix("sagan_tf.") for module, _ in COMMANDS} == {
        *("train", "sample", "train_classifier", "reference_statistics", "evaluate"),
        *("plan", "attention", "export", "import_weights", "ablate", "report"),
    }


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_command_takes_its_flags(module, arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = importlib.import_module(module)
    values = parse([module, *shlex.split(arguments)], command._define)
    if module == "sagan_tf.train":
        config_from_flags(values).validate()


@pytest.mark.parametrize("path", sorted(set(SCRIPTS)))
def test_script_is_there(path):
    assert (ROOT / path).is_file()


def test_every_config_is_in_the_readme_and_every_ablation_on_its_page():
    ablations = PAGES[ROOT / "docs" / "ablations.md"]
    for path in (ROOT / "configs").rglob("*.flags"):
        text = ablations if path.parent.name == "ablations" else README
        assert f"`{path.stem}`" in text, path


def test_the_readme_is_read_in_one_sitting():
    assert len(README.splitlines()) <= 220


def test_every_page_is_in_the_index():
    index = PAGES[ROOT / "docs" / "index.md"]
    for path in PAGES:
        assert path.name in ("README.md", "index.md") or f"({path.name})" in index, path


def test_every_link_to_a_file_leads_to_one():
    for page, text in PAGES.items():
        for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", text):
            linked = (page.parent / target) if target else page
            assert linked.is_file(), target
            if anchor:
                titles = re.findall(r"^#+ (.+)$", PAGES[linked.resolve()], re.MULTILINE)
                anchors = [
                    re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                    for title in titles
                ]
                assert anchor in anchors, (page, anchor)


def test_cell_about_the_layers_runs():
    (code,) = re.findall(
        r"```python\n(.*?)```", PAGES[ROOT / "docs" / "api.md"], re.DOTALL
    )
    names = {}
    exec(code, names)
    assert names["discriminator"].output_shape == (None, 1)
    assert names["features"].shape == (4, 16, 16, 8)


@pytest.mark.slow
def test_notebook_cell_trains():
    import numpy as np
    import tensorflow as tf

    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    # As written, but for the size: two channels, one short epoch.
    code = re.sub(r"channels=16", "channels=2", code)
    code = code.replace("epochs=10", "epochs=1, verbose=0")
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    labels = np.array([0, 1, 2, 9], "int32")
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(2)
    names = {"dataset": dataset}
    exec(code, names)
    assert names["images"].shape == (16, 32, 32, 3)
    assert int(names["model"].step) == 2
