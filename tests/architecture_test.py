"""The rules of the house, read from the sources.

A room is a folder of the package, or a file beside the folders. `ROOMS` says which
rooms each one may import, besides `errors` and `progress`. A room stands below all
those that it imports, so there are no circles. Inside a room files may import one
another, without circles too.
"""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "sagan_tf"
TESTS = pathlib.Path(__file__).parent

ROOMS = {
    "errors": "",
    "progress": "",
    "files": "",
    "hub": "",
    "settings": "files hub",
    "distribution": "",
    "layers": "",
    "images": "files",
    "drawing": "files",
    "networks": "layers",
    "data": "files images",
    "model": "distribution layers networks",
    "run": "files hub settings distribution drawing networks data model",
    "planning": "layers networks model",
    "evaluation": "files images data model run",
    "attention_maps": "files settings layers images drawing networks data model run",
    "importers": "files networks run",
    "training": "files distribution layers images drawing data model run evaluation",
    "sampling": "files settings images drawing networks data model run evaluation",
    "exports": "files hub images networks model run evaluation attention_maps",
    "reports": "files data planning evaluation attention_maps training sampling run",
    "ablations": "files settings images drawing model run planning training",
}
# They know `settings`, and name the room whose work they do (`settings.command.load`).
COMMANDS = (
    "train",
    "sample",
    "evaluate",
    "report",
    "attention",
    "export",
    "import_weights",
    "ablate",
    "plan",
    "train_classifier",
    "reference_statistics",
)
WITHOUT_TENSORFLOW = ("errors", "layers", "networks")
# The console command, which names them.
DOORS = ("__init__", "__main__")
READ_FLAGS = ("settings", *COMMANDS)
SEE_CONFIG = ("settings", "run", *COMMANDS)
# Two stories that are read from top to bottom.
LONG_FUNCTIONS = ("train_and_evaluate", "build_generator")
FUNCTION_LINES = 40
FILE_LINES = 430

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def dotted_name(path):
    """`sagan_tf.data.folder` of sagan_tf/data/folder.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree):
    """Dotted names of everything that a source imports, wherever it stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported_rooms(tree):
    """Rooms of the package that a source imports."""
    names = set()
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] == "sagan_tf" and parts[1:] != ["__version__"]:
            names.add(parts[1] if len(parts) > 1 else "__init__")
    return names


def problems(room, source, file="x.py"):
    """Sentences about what is against the rules in one source."""
    tree = ast.parse(source)
    wanted = imports(tree)
    checks = [
        _rooms(room, tree),
        _outside(room, wanted, file),
        _syntax(tree),
        _relays(tree),
        _lengths(tree),
    ]
    return [problem for found in checks for problem in found]


def _rooms(room, tree):
    if room in DOORS:
        return
    if room not in ROOMS and room not in COMMANDS:
        yield f"{room} is not in the table of rooms"
        return
    allowed = set(ROOMS[room].split()) if room in ROOMS else set(ROOMS)
    for other in imported_rooms(tree) - allowed - {room, "errors", "progress"}:
        yield f"{room} may not import {other}"


def _outside(room, wanted, file):
    roots = {name.split(".")[0] for name in wanted}
    if room in WITHOUT_TENSORFLOW and "tensorflow" in roots:
        yield f"{room} may not import tensorflow: it runs on any Keras backend"
    if "tensorflow_gan" in roots and not file.endswith("evaluation/metrics/tfgan.py"):
        yield "tensorflow_gan is imported by evaluation/metrics/tfgan.py alone"
    if {"absl.flags", "absl.app"} & wanted and room not in READ_FLAGS:
        yield f"{room} may not read flags"
    if "sagan_tf.settings.config.Config" in wanted and room not in SEE_CONFIG:
        yield f"{room} may not see Config: it takes plain arguments"


def _syntax(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: assert; raise ValueError instead"
        if isinstance(node, ast.ExceptHandler):
            name = getattr(node.type, "id", None)
            if node.type is None or name in ("Exception", "BaseException"):
                yield f"line {node.lineno}: catches everything"
        if isinstance(node, ast.Constant) and node.value == "class_name":
            yield f"line {node.lineno}: class_name; call the class"


def _relays(tree):
    for function in ast.walk(tree):
        # Keras' own arguments (name, dtype, ...) may pass through to Keras.
        if isinstance(function, ast.FunctionDef) and function.args.kwarg:
            if function.name != "__init__":
                yield f"{function.name} takes **{function.args.kwarg.arg}"


def _lengths(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name not in LONG_FUNCTIONS:
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines, more than {FUNCTION_LINES}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_source_keeps_the_rules(path):
    source = path.read_text(encoding="utf-8")
    assert not problems(room_of(path), source, path.as_posix())
    assert len(source.splitlines()) <= FILE_LINES


def test_rooms_import_only_rooms_above_them():
    order = list(ROOMS)
    for room, allowed in ROOMS.items():
        for other in allowed.split():
            assert order.index(other) < order.index(room), f"{room}, {other}"


def test_the_tables_have_every_room_and_no_other():
    assert {*ROOMS, *COMMANDS, *DOORS} == {room_of(path) for path in FILES}


def test_files_import_one_another_without_circles():
    names = {dotted_name(path): path for path in FILES}
    graph = {}
    for name, path in names.items():
        wanted = imports(ast.parse(path.read_text(encoding="utf-8")))
        # `from sagan_tf.data import folder` names a module; other names are values.
        found = {w if w in names else w.rpartition(".")[0] for w in wanted}
        graph[name] = {other for other in found if other in names and other != name}
        # A package's own files do not go through its door.
        graph[name] -= {name.rpartition(".")[0]}
    while graph:
        leaves = {name for name, others in graph.items() if not others & set(graph)}
        assert leaves, f"circle among {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}


def test_tests_mirror_the_rooms():
    for path in FILES:
        inner = path.relative_to(PACKAGE)
        if path.stem not in DOORS and inner.stem not in COMMANDS:
            test = TESTS / inner.with_name(f"{path.stem}_test.py")
            assert test.exists(), f"{test.relative_to(TESTS.parent)} is missing"


def test_no_module_is_a_drawer():
    assert not [path for path in FILES if path.stem in ("utils", "helpers", "misc")]


@pytest.mark.parametrize(
    ("room", "source", "complaint"),
    [
        ("layers", "from sagan_tf import images", "may not import images"),
        ("layers", "def f():\n    import tensorflow as tf", "any Keras backend"),
        ("networks", "import tensorflow.nn", "any Keras backend"),
        ("networks", "import sagan_tf.model.sagan", "may not import model"),
        ("data", "from sagan_tf.layers import SelfAttention", "may not import layers"),
        ("run", "from sagan_tf import SAGAN", "may not import SAGAN"),
        ("training", "import tensorflow_gan", "tfgan.py alone"),
        ("training", "from absl import flags", "may not read flags"),
        ("data", "from sagan_tf.settings.config import Config", "plain arguments"),
        ("images", "assert 1", "assert"),
        ("images", "try:\n    f()\nexcept:\n    pass", "catches everything"),
        ("images", "try:\n    f()\nexcept Exception:\n    pass", "everything"),
        ("images", "def f(**kwargs):\n    g(**kwargs)", r"takes **kwargs"),
        ("images", "f = x['class_name']", "class_name"),
        ("images", "def f():\n" + "    g()\n" * 41, "more than 40"),
        ("new", "", "not in the table"),
    ],
)
def test_what_is_against_the_rules_is_found(room, source, complaint):
    assert [p for p in problems(room, source) if complaint in p]
