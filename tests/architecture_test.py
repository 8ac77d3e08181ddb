"""The rules of the house, read from the sources. `FLOORS` is their documentation.

A module imports only from the modules beside its name, all of which stand above it:
imports go down the floors. A folder (`layers`, `data`) counts as one module, whose own
files import one another.
"""

import ast
import pathlib

import pytest

PACKAGE = pathlib.Path(__file__).parent.parent / "sagan_tf"

FLOORS = {
    # floor 0: know nothing of the rest
    "config_checks": (),
    "config": ("config_checks",),
    "files": (),
    "images": ("files",),
    "plots": ("files",),
    "captions": (),
    "animation": ("files",),
    "sample_kinds": ("animation",),
    "training_progress": ("animation", "captions"),
    "degradations": (),
    "latents": (),
    "losses": (),
    "optimizers": (),
    "clusters": (),
    "distribution": ("clusters",),
    "workers": (),
    "checkpoints": (),
    # floor 1: parts
    "layers": ("layers",),
    "data": ("data", "images"),
    "evaluation": ("evaluation", "files", "images"),
    # floor 2: the model
    "networks": ("layers",),
    "model": ("distribution", "latents", "losses", "optimizers", "layers"),
    "folding": ("layers",),
    "sampling": ("latents",),
    "class_blending": ("folding", "layers"),
    "sheets": ("class_blending", "images", "latents", "sampling"),
    "layouts": ("captions", "images", "sheets"),
    "attention_measures": (),
    "attention_queries": ("attention_measures",),
    "attention_scores": ("layers",),
    "attention_view": ("attention_measures",),
    "attention_overlay": (),
    "attention_figure": ("files", "attention_overlay", "attention_view"),
    "attention_page": (
        *("files", "attention_measures", "attention_overlay", "attention_view"),
    ),
    "overview": ("layers",),
    "health": ("latents", "layers"),
    "flops": ("layers",),
    "planning": ("flops", "overview"),
    "plan_page": ("flops", "overview", "planning"),
    "standing_statistics": ("layers",),
    "scoring": ("evaluation", "images", "latents", "standing_statistics"),
    "saved_generator": ("images",),
    "serving_signatures": ("images", "latents", "attention_scores"),
    "export_checks": ("images", "latents", "attention_scores", "serving_signatures"),
    "served_model": (),
    "export_folder": ("files",),
    "model_card": ("evaluation",),
    "importers": ("importers", "networks"),
    "warmup": ("files",),
    # floor 3: the run
    "rundir": ("version", "config", "files", "checkpoints", "networks", "workers"),
    "importing": ("files", "importers", "rundir"),
    "callbacks": ("checkpoints", "images", "latents", "workers"),
    "metric_log": ("files", "plots", "callbacks"),
    "collapse_watch": (
        *("files", "plots", "checkpoints", "health", "callbacks", "metric_log"),
    ),
    "classifier_data": ("data", "images"),
    "classifier_training": (
        *("data", "evaluation", "images", "classifier_data", "rundir"),
    ),
    "run_data": ("data",),
    "references": ("data", "evaluation", "scoring", "rundir", "run_data"),
    "evaluator": (
        *("data", "evaluation", "files", "saved_generator", "scoring"),
        *("rundir", "metric_log", "references"),
    ),
    "evaluations": (
        *("checkpoints", "distribution", "evaluation"),
        *("rundir", "metric_log", "evaluator"),
    ),
    "self_check": (
        *("data", "degradations", "evaluation", "scoring"),
        *("classifier_data", "classifier_training"),
    ),
    "attention_pictures": ("data", "sampling", "run_data"),
    "attention_explorer": (
        *("layers", "checkpoints", "images", "sampling"),
        *("attention_scores", "attention_view", "rundir", "metric_log"),
    ),
    "attention_report": (
        *("files", "sampling", "attention_queries", "attention_scores"),
        *("attention_view", "attention_figure", "attention_page", "rundir"),
        *("attention_pictures", "attention_explorer"),
    ),
    "training": (
        *("data", "distribution", "model", "optimizers", "overview"),
        *("health", "rundir", "run_data", "workers"),
        *("callbacks", "collapse_watch", "metric_log", "evaluator"),
    ),
    "export_origin": ("metric_log",),
    "exporting": (
        *("files", "folding", "serving_signatures", "export_checks", "served_model"),
        *("export_folder", "warmup", "rundir", "model_card", "export_origin"),
    ),
    "training_neighbours": ("data", "evaluation", "images", "run_data"),
    "drawing": (
        *("animation", "evaluation", "files", "images", "sampling", "sheets"),
        *("layouts", "rundir", "training_neighbours"),
    ),
    "ablations": (),
    "ablation_runs": (),
    "ablation_training": ("files", "ablation_runs"),
    "ablation_pictures": ("captions", "files", "plots"),
    "ablation_report": (
        *("files", "flops", "health", "overview", "rundir"),
        *("ablation_pictures", "ablation_runs"),
    ),
    # floor 4: commands
    "flags": ("config", "config_checks"),
    "train": ("flags", "training"),
    "plan": ("flags",),
    "ablate": (
        *("config", "flags", "ablation_runs", "ablation_training", "ablations"),
        "ablation_report",
    ),
    "import_weights": ("config", "flags", "importing"),
    "sample": ("flags", "animation", "drawing", "sample_kinds", "training_progress"),
    "attention": ("flags",),
    "train_classifier": ("flags", "classifier_data", "classifier_training"),
    "reference_statistics": ("flags", "evaluation", "references"),
    "evaluate": ("config", "flags", "evaluations", "sampling", "self_check"),
    "export": ("export_folder", "flags", "sampling", "exporting"),
    # what a notebook sees; it imports by name, when a name is used
    "__init__": (),
}
COMMANDS = (
    *("train", "sample", "train_classifier", "reference_statistics", "evaluate"),
    *("plan", "import_weights", "export", "attention", "ablate"),
)

WITHOUT_TENSORFLOW = ("layers", "networks", "losses")
READ_FLAGS = ("flags", *COMMANDS)
SEE_CONFIG = ("config", "flags", "rundir", "training", *COMMANDS)
# Two stories that are read from top to bottom.
LONG_FUNCTIONS = ("train_and_evaluate", "build_generator")
FUNCTION_LINES = 40

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree):
    """Dotted names of everything that a source imports, wherever it stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inner_imports(tree):
    """Modules of the package that a source imports."""
    names = set()
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] == "sagan_tf":
            inner = parts[1] if len(parts) > 1 else "__init__"
            names.add("version" if inner == "__version__" else inner)
    return names


def problems(module, source, file="x.py"):
    """Sentences about what is against the rules in one source."""
    tree = ast.parse(source)
    wanted = imports(tree)
    checks = [
        _floors(module, tree),
        _outside(module, wanted, file),
        _syntax(tree),
        _relays(tree),
        _lengths(tree),
    ]
    return [problem for found in checks for problem in found]


def _floors(module, tree):
    if module not in FLOORS:
        yield f"{module} is not in the table of floors"
        return
    for other in inner_imports(tree) - set(FLOORS[module]):
        yield f"{module} may not import {other}"


def _outside(module, wanted, file):
    roots = {name.split(".")[0] for name in wanted}
    if module in WITHOUT_TENSORFLOW and "tensorflow" in roots:
        yield f"{module} may not import tensorflow: it runs on any Keras backend"
    if "tensorflow_gan" in roots and not file.endswith("evaluation/tfgan.py"):
        yield "tensorflow_gan is imported by evaluation/tfgan.py alone"
    if {"absl.flags", "absl.app"} & wanted and module not in READ_FLAGS:
        yield f"{module} may not read flags"
    if "sagan_tf.settings.config.Config" in wanted and module not in SEE_CONFIG:
        yield f"{module} may not see Config: it takes plain arguments"


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
    assert not problems(module_of(path), source, path.as_posix())


def test_imports_go_down_the_floors():
    order = list(FLOORS)
    for module, allowed in FLOORS.items():
        for other in set(allowed) - {"version", module}:
            assert order.index(other) < order.index(module), f"{module}, {other}"


def test_the_table_has_no_module_that_is_gone():
    assert set(FLOORS) == {module_of(path) for path in FILES}


def test_every_module_has_tests():
    tests = pathlib.Path(__file__).parent
    # Commands are run by end_to_end_test.py.
    for module in set(FLOORS) - {"__init__", *COMMANDS}:
        found = [*tests.glob(f"{module}_test.py"), *tests.glob(f"{module}/*_test.py")]
        assert found, f"tests/{module}_test.py is missing"


def test_no_module_is_a_drawer():
    assert not [path for path in FILES if path.stem in ("utils", "helpers", "misc")]


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("layers", "from sagan_tf import images", "may not import images"),
        ("layers", "def f():\n    import tensorflow as tf", "any Keras backend"),
        ("losses", "import sagan_tf.model.sagan", "may not import model"),
        ("data", "from sagan_tf.layers import SelfAttention", "may not import layers"),
        ("rundir", "from sagan_tf import SAGAN", "may not import SAGAN"),
        ("training", "import tensorflow_gan", "tfgan.py alone"),
        ("training", "from absl import flags", "may not read flags"),
        ("callbacks", "from sagan_tf.settings.config import Config", "plain arguments"),
        ("images", "assert 1", "assert"),
        ("images", "try:\n    f()\nexcept:\n    pass", "catches everything"),
        ("images", "try:\n    f()\nexcept Exception:\n    pass", "everything"),
        ("images", "def f(**kwargs):\n    g(**kwargs)", r"takes **kwargs"),
        ("images", "f = x['class_name']", "class_name"),
        ("images", "def f():\n" + "    g()\n" * 41, "more than 40"),
        ("new", "", "not in the table"),
    ],
)
def test_what_is_against_the_rules_is_found(module, source, complaint):
    assert [p for p in problems(module, source) if complaint in p]
