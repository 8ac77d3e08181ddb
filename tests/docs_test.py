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
        *("plan", "attention", "export", "import_weights", "ablate"),
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


def test_every_config_is_in_the_readme():
    for path in (ROOT / "configs").rglob("*.flags"):
        assert f"`{path.stem}`" in README, path


def test_every_link_to_a_file_leads_to_one():
    for page, text in PAGES.items():
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", text):
            assert (page.parent / target).is_file(), target


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
