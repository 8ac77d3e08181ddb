"""Runs the notebooks and writes their outputs into them.

    python scripts/run_notebooks.py                             all of them
    python scripts/run_notebooks.py notebooks/attention.ipynb   one

Each one runs from its first cell to its last in a new kernel of this interpreter, in an
empty folder. It needs the package and its `test` extra. If a cell fails, its notebook
is not changed. The hash of the code is kept with the outputs, so that
tests/notebooks_test.py can see whether they belong to the committed code.

Exit status: 0 all notebooks ran, 1 a cell failed (its error is shown), 2 bad input.
"""

import argparse
import ast
import copy
import hashlib
import os
import pathlib
import sys
import tempfile
import time

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from sagan_tf.files import replacing

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
PARAMETERS = "parameters"
# This does not describe the machine that made the outputs.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class _ThisInterpreter(AsyncKernelManager):
    """Starts a kernel of the running interpreter, whatever kernels are installed."""

    @property
    def kernel_spec(self):
        start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=start, display_name="Python 3", language="python")


def read(path):
    """Reads a notebook: `NotebookNode`, checked against nbformat's schema."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook):
    """Returns the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def code_hash(notebook):
    """Returns the SHA-256 of a notebook's code cells: hexadecimal str."""
    sources = "\0".join(cell.source for cell in code_cells(notebook))
    return hashlib.sha256(sources.encode()).hexdigest()


def with_parameters(notebook, **values):
    """Copies a notebook with other values in its cell tagged `parameters`.

    Args:
        notebook: `NotebookNode`.
        **values: literals, by the name to which the cell assigns them.

    Raises:
        ValueError: there is not exactly one such cell, or it lacks a name.
    """
    notebook = copy.deepcopy(notebook)
    tagged = [
        cell
        for cell in code_cells(notebook)
        if PARAMETERS in cell.metadata.get("tags", ())
    ]
    if len(tagged) != 1:
        raise ValueError(
            f"A notebook needs one cell tagged {PARAMETERS}. Received: {len(tagged)}."
        )
    (cell,) = tagged
    lines = cell.source.splitlines()
    places = {
        node.targets[0].id: node
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign)
    }
    for name, value in values.items():
        if name not in places:
            raise ValueError(
                f"The parameters are {', '.join(places)}. Received: {name}={value!r}."
            )
        node = places[name]
        if node.lineno != node.end_lineno:
            raise ValueError(f"A parameter must be on one line. Received: {name}.")
        lines[node.lineno - 1] = f"{name} = {value!r}"
    cell.source = "\n".join(lines)
    return notebook


def execute(notebook, folder, timeout_seconds=None):
    """Runs a notebook.

    Args:
        notebook: `NotebookNode`. It is not changed.
        folder: path that the kernel works in.
        timeout_seconds: int, for one cell; `None` for no limit.

    Returns:
        `NotebookNode` with outputs, and metadata that do not describe this machine.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = copy.deepcopy(notebook)
    client = NotebookClient(
        notebook,
        timeout=timeout_seconds,
        resources={"metadata": {"path": str(folder)}},
        kernel_manager_class=_ThisInterpreter,
        coalesce_streams=True,
        record_timing=False,
    )
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as settings:
        # Without this user's start-up files, with the package beside this script.
        client.execute(
            env={
                **os.environ,
                "IPYTHONDIR": settings,
                "PYTHONPATH": os.pathsep.join(paths),
            }
        )
    for output in (o for cell in code_cells(notebook) for o in cell.outputs):
        # Pillow shows an image in both formats; PNG is lossless.
        if "image/png" in output.get("data", {}):
            output.data.pop("image/jpeg", None)
    notebook.metadata = nbformat.from_dict(
        {**METADATA, "sagan_tf": {"code_sha256": code_hash(notebook)}}
    )
    nbformat.validate(notebook)
    return notebook


def run(path):
    """Runs one notebook and writes it; returns the exit status."""
    print(f"Running {path}", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            notebook = execute(read(path), folder)
        except CellExecutionError as error:
            print(f"error: {path} is not changed:\n{error}", file=sys.stderr)
            return 1
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)
    print(
        f"  {time.monotonic() - start:.0f} s, {path.stat().st_size / 1e3:,.0f} kB",
        flush=True,
    )
    return 0


def main(argv=None):
    """Runs the notebooks that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path)
    paths = parser.parse_args(argv).notebooks or sorted(FOLDER.glob("*.ipynb"))
    missing = [path for path in paths if not path.is_file()]
    if missing:
        parser.error(f"There is no notebook {missing[0]}.")
    return max(run(path) for path in paths)


if __name__ == "__main__":
    sys.exit(main())
