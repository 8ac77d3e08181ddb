"""The notebooks: what is committed is what their code puts out, and it runs."""

import base64
import importlib
import importlib.util
import io
import json
import os
import pathlib
import re
import shlex
import sys
import types

import nbformat
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image

from sagan_tf.settings.command import parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
SCRIPT = ROOT / "scripts" / "run_notebooks.py"
MEGABYTE = 10**6

# Pictures that are shown, and parameters that make a run short.
NOTEBOOKS = {
    "attention": (
        4,
        {
            "STEPS": 4,
            "STEPS_PER_CHECKPOINT": 2,
            "GENERATOR_CHANNELS": 2,
            "DISCRIMINATOR_CHANNELS": 2,
        },
    ),
    "quickstart": (
        6,
        {
            "STEPS": 4,
            "STEPS_PER_EPOCH": 2,
            "BATCH_SIZE": 4,
            "GENERATOR_CHANNELS": 2,
            "DISCRIMINATOR_CHANNELS": 2,
        },
    ),
}
# A folder at the root that somebody's machine has, or a drive.
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])(?:/[a-z]\w+/|[A-Z]:\\)")


def load_script():
    spec = importlib.util.spec_from_file_location("run_notebooks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_notebooks = load_script()


@pytest.fixture(params=NOTEBOOKS)
def name(request):
    return request.param


@pytest.fixture
def notebook(name):
    return run_notebooks.read(FOLDER / f"{name}.ipynb")


def outputs(notebook):
    return [o for cell in run_notebooks.code_cells(notebook) for o in cell.outputs]


def pictures(notebook):
    data = [o.data for o in outputs(notebook) if "data" in o]
    return [
        Image.open(io.BytesIO(base64.b64decode(each["image/png"])))
        for each in data
        if "image/png" in each
    ]


def texts(notebook):
    """Everything that is printed or shown as text."""
    for output in outputs(notebook):
        for text in (output.get("text"), *output.get("data", {}).values()):
            if text and not re.fullmatch(r"[\w+/=\s]{200,}", text):  # Not a picture.
                yield text


def cell_source(name, cell_id):
    cells = run_notebooks.read(FOLDER / f"{name}.ipynb").cells
    (source,) = [cell.source for cell in cells if cell.id == cell_id]
    return TransformerManager().transform_cell(source)


def test_every_notebook_is_tested():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


def test_says_which_kernel_it_needs_and_nothing_of_the_machine(notebook):
    known = {"kernelspec", "language_info", "sagan_tf"}
    assert set(notebook.metadata) == known
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id


def test_every_cell_was_run_once_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in run_notebooks.code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_are_those_of_the_committed_code(name, notebook):
    now = run_notebooks.code_hash(notebook)
    assert notebook.metadata.sagan_tf.code_sha256 == now, (
        f"Try python scripts/run_notebooks.py notebooks/{name}.ipynb"
    )


def test_outputs_have_no_errors_and_no_warnings(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
    for text in texts(notebook):
        assert "warning" not in text.lower()


def test_no_path_of_a_machine_is_in_sight(notebook):
    for text in [*texts(notebook), *(cell.source for cell in notebook.cells)]:
        found = ABSOLUTE_PATH.search(text)
        assert not found, text[found.start() - 20 : found.end() + 60]
        assert not re.search(r"0x[0-9a-f]{6,}", text), text  # Somewhere in memory.


def test_shows_its_pictures(name, notebook):
    shown = pictures(notebook)
    assert len(shown) == NOTEBOOKS[name][0]
    for picture in shown:
        values = np.asarray(picture.convert("L"))
        assert min(values.shape) >= 60
        assert values.std() > 20  # Something is on it.


def test_is_small_enough_to_be_looked_at_on_the_web(name):
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1.5 * MEGABYTE


def test_commands_in_the_text_take_their_flags(notebook, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    commands = re.findall(r"python -m (sagan_tf\.\w+)([^`]*)`", text)
    assert commands
    for module, arguments in commands:
        command = importlib.import_module(module)
        parse([module, *shlex.split(arguments)], command._define)


@pytest.mark.slow
def test_every_cell_runs(name, notebook, tmp_path):
    count, parameters = NOTEBOOKS[name]
    small = run_notebooks.with_parameters(notebook, **parameters)
    done = run_notebooks.execute(small, tmp_path, timeout_seconds=300)
    assert len(pictures(done)) == count
    # What TensorFlow says of the processor comes from below Python.
    printed = "\n".join(o.text for o in outputs(done) if o.get("name") == "stderr")
    assert not printed


def test_generated_digits_of_the_quick_start_can_be_read():
    text = "\n".join(texts(run_notebooks.read(FOLDER / "quickstart.ipynb")))
    (read,) = re.findall(r"read as asked for: ([\d.]+)%", text)
    assert float(read) >= 85
    (distance,) = re.findall(r"distance within a class: ([\d.]+)", text)
    assert float(distance) >= 0.3


class Pip:
    """An IPython that notes what it is asked to install."""

    def __init__(self):
        self.lines = []

    def run_line_magic(self, magic, line):
        self.lines.append(f"{magic} {line}")


def run_install_cell(name, monkeypatch, installed=False, address="", gpu=False):
    """Runs a notebook's first code cell as on Colab; returns what pip was asked."""
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda module: object() if installed else None
    )
    monkeypatch.setattr("shutil.which", lambda command: "there" if gpu else None)
    source = cell_source(name, "install")
    assert 'REPOSITORY = ""' in source
    source = source.replace('REPOSITORY = ""', f"REPOSITORY = {address!r}")
    pip = Pip()
    names = {"get_ipython": lambda: pip}
    exec(source, names)
    # IPython fills in the names in braces.
    return [eval(f"f{line!r}", names) for line in pip.lines]


def test_colab_installs_the_package_from_its_address(name, monkeypatch):
    address = "git+https://example.org/sagan_tf"
    (line,) = run_install_cell(name, monkeypatch, address=address)
    assert line == f'pip install --quiet "sagan-tf @ {address}"'
    (line,) = run_install_cell(name, monkeypatch, address=address, gpu=True)
    assert line == f'pip install --quiet "sagan-tf[gpu] @ {address}"'
    assert run_install_cell(name, monkeypatch, installed=True) == []


def test_colab_without_an_address_is_told_what_is_missing(name, monkeypatch):
    with pytest.raises(ValueError, match="REPOSITORY"):
        run_install_cell(name, monkeypatch)


@pytest.mark.parametrize(
    ("tpu", "gpus", "chosen"),
    [
        ("1", 0, ("tpu", "local")),
        ("", 2, ("mirrored",)),
        ("", 1, ("default",)),
        ("", 0, ("default",)),
    ],
)
def test_quick_start_uses_what_the_machine_has(tpu, gpus, chosen, monkeypatch):
    monkeypatch.setenv("COLAB_TPU_1VM", tpu)
    asked = []

    def make_strategy(*arguments):
        asked.append(arguments)
        return types.SimpleNamespace(num_replicas_in_sync=1)

    config = types.SimpleNamespace(list_physical_devices=lambda kind: [kind] * gpus)
    fake = types.SimpleNamespace
    names = {
        "os": os,
        "make_strategy": make_strategy,
        "leave_graphs_as_they_are_on_cpus": lambda: None,
        "tf": fake(config=config, __version__="2"),
        "keras": fake(utils=fake(set_random_seed=lambda seed: None), __version__="3"),
    }
    exec(cell_source("quickstart", "strategy"), names)
    assert asked == [chosen]


def small_notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    return nbformat.v4.new_notebook(cells=cells)


def test_parameters_take_other_values_and_the_rest_stays():
    before = small_notebook("STEPS = 2000\nNAME = 'a'  # Why.", "STEPS = 3")
    after = run_notebooks.with_parameters(before, NAME="b")
    assert [c.source for c in after.cells] == ["STEPS = 2000\nNAME = 'b'", "STEPS = 3"]
    assert "'a'" in before.cells[0].source


@pytest.mark.parametrize(
    ("sources", "complaint"),
    [
        (["STEPS = 2000"], "Received: EPOCHS=1"),
        (["EPOCHS = (\n1)"], "one line"),
    ],
)
def test_a_parameter_that_a_notebook_lacks_is_named(sources, complaint):
    with pytest.raises(ValueError, match=complaint):
        run_notebooks.with_parameters(small_notebook(*sources), EPOCHS=1)


def test_a_notebook_without_a_cell_of_parameters_is_refused():
    untagged = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("A = 1")])
    with pytest.raises(ValueError, match="Received: 0"):
        run_notebooks.with_parameters(untagged, A=2)


def test_kernel_is_of_this_interpreter_whatever_is_installed(tmp_path, monkeypatch):
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    other = {"argv": ["false"], "display_name": "Other", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(other))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    done = run_notebooks.execute(
        small_notebook("import sys, sagan_tf", "print(sys.executable)"), tmp_path, 60
    )
    (output,) = outputs(done)
    assert output.text.strip() == sys.executable


@pytest.mark.slow
def test_a_notebook_with_an_error_is_left_as_it_was(tmp_path, capfd):
    path = tmp_path / "broken.ipynb"
    nbformat.write(small_notebook("a = 1", "a / 0", "b = 2"), path)
    before = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["broken.ipynb"]
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_run_writes_outputs_and_the_hash_of_the_code(tmp_path):
    path = tmp_path / "fine.ipynb"
    nbformat.write(small_notebook("a = 1", "print(a + 1)"), path)
    assert run_notebooks.main([str(path)]) == 0
    done = run_notebooks.read(path)
    assert [output.text for output in outputs(done)] == ["2\n"]
    assert done.metadata.sagan_tf.code_sha256 == run_notebooks.code_hash(done)
    done.cells[1].source = "print(a + 2)"
    assert done.metadata.sagan_tf.code_sha256 != run_notebooks.code_hash(done)
