"""A run directory out of a foreign checkpoint: whole, or not at all."""

import hashlib
import json
import types

import keras
import numpy as np
import pytest

from sagan_tf import import_weights, importers
from sagan_tf.importers.translation import Translation, Weight
from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.networks.variable_names import variables_by_name
from sagan_tf.run import building, directory
from sagan_tf.run.checkpoints import Checkpoints
from tests import tiny

# What shapes would tell, of networks like those of `tiny`.
FIELDS = {
    "resolution": 32,
    "image_channels": 1,
    "num_classes": 10,
    "z_dim": 8,
    "generator_channels": 4,
    "discriminator_channels": 4,
    "attention_resolution": (16,),
    "discriminator_attention_resolution": (16,),
}
STEP = 7


def files(path):
    """The files of the format that is made up for these tests."""
    return [path] if str(path).endswith(".npz") else []


def read(path):
    with np.load(path) as file:
        return dict(file)


def translate(tensors, given):
    """Networks that are ours already; the averaged one if it is there."""

    def source(network):
        return lambda ours: Weight(f"{network}/{ours}")

    present = {name.partition("/")[0] for name in tensors} - {"moments"}
    fields = {**FIELDS, "ema_decay": 0.9 if "ema_generator" in present else None}
    translation = Translation(
        fields,
        {network: source(network) for network in sorted(present)},
        {"adam_beta2": 0.5, "flip": True},
        step=STEP,
        notes=["a note."],
    )
    translation.ignore(tensors, {"moments/.*": "moments"})
    return translation


FORMAT = types.SimpleNamespace(INPUT="an .npz file", files=files, read=read)
LAYOUT = types.SimpleNamespace(
    DESCRIPTION="a made-up project",
    OPTIONS=("image_order",),
    TELLING="generator/.*",
    translate=translate,
)


@pytest.fixture(scope="module")
def tensors():
    """A checkpoint of the made-up project: dict of name to array."""
    common = {"num_classes": 10, "channels": 4, "image_channels": 1}
    common |= {"attention_resolution": (16,), "resolution": 32}
    networks = {
        "generator": build_generator(z_dim=8, batch_norm_debias=False, **common),
        "ema_generator": build_generator(z_dim=8, batch_norm_debias=False, **common),
        "discriminator": build_discriminator(**common),
    }
    return {
        f"{network}/{name}": np.asarray(variable)
        for network, model in networks.items()
        for name, variable in variables_by_name(model).items()
    } | {"moments/0": np.zeros(3), "moments/1": np.zeros(3)}


@pytest.fixture(autouse=True)
def made_up_source(monkeypatch):
    other = types.SimpleNamespace(DESCRIPTION="another one", TELLING="their/w")
    sources = {"official-tf1": (FORMAT, (LAYOUT,)), "mmgeneration": (FORMAT, (other,))}
    monkeypatch.setattr(importers, "SOURCES", sources)


@pytest.fixture
def run(tmp_path, capsys):
    """Imports tensors as the command does; returns status, stdout and stderr."""

    def run(tensors, *arguments):
        np.savez(tmp_path / "weights.npz", **tensors)
        flags = ["--from=official-tf1", f"--input={tmp_path / 'weights.npz'}"]
        flags.append(f"--workdir={tmp_path / 'runs' / 'one'}")
        status = import_weights.main(["import_weights", *flags, *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "runs" / "one"


def refused(result, workdir):
    """The one line with which an import ended that has written nothing."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not workdir.parent.exists() or not list(workdir.parent.iterdir())
    return err


def only(tensors, *networks):
    return {k: v for k, v in tensors.items() if k.partition("/")[0] in networks}


@pytest.mark.slow
def test_the_run_has_the_weights_and_says_what_they_are(run, tensors, workdir):
    status, _, err = run(tensors)
    assert (status, err) == (0, "")
    for ema, item in ((True, "ema_generator"), (False, "generator")):
        network, config, names, step = building.load_generator(workdir, ema=ema)
        for name, variable in variables_by_name(network).items():
            np.testing.assert_array_equal(variable, tensors[f"{item}/{name}"])
        assert (names, step) == ((), STEP)
    _, network, *_ = building.load_networks(workdir)
    for name, variable in variables_by_name(network).items():
        np.testing.assert_array_equal(variable, tensors[f"discriminator/{name}"])
    assert {name: getattr(config, name) for name in FIELDS} == {
        **FIELDS,
        # As in a training that was told of one size.
        "discriminator_attention_resolution": None,
    }
    assert (config.ema_decay, config.adam_beta2, config.flip) == (0.9, 0.5, True)
    assert building.checkpoint_steps(workdir) == [STEP]


def test_nothing_but_a_run_directory_is_left(run, tensors, workdir):
    run(tensors)
    assert [path.name for path in workdir.parent.iterdir()] == ["one"]
    assert sorted(path.name for path in workdir.iterdir()) == [
        *("checkpoints", "config.json", "data.json", "import.json"),
        *("samples", "versions.json"),
    ]
    assert Checkpoints(workdir / "checkpoints").items(STEP) == {
        *("generator", "ema_generator", "discriminator"),
        *("step", "first_nonfinite_step"),
    }
    (versions,) = json.loads((workdir / "versions.json").read_text())
    assert versions["from_step"] == STEP


@pytest.mark.slow
def test_what_was_done_is_kept(run, tensors, workdir, tmp_path):
    run(tensors)
    record = json.loads((workdir / "import.json").read_text())
    content = (tmp_path / "weights.npz").read_bytes()
    assert record.pop("files") == [
        {
            "name": "weights.npz",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    translated = record.pop("translated")
    assert set(translated) == {"generator", "ema_generator", "discriminator"}
    assert translated["generator"]["linear/bias"] == ["generator/linear/bias"]
    used = {name for each in translated.values() for (name,) in each.values()}
    assert used == {name for name in tensors if not name.startswith("moments")}
    assert record == {
        "from": "official-tf1",
        "written_by": "a made-up project",
        "step": STEP,
        "ignored": {"moments": ["moments/0", "moments/1"]},
        "notes": ["a note."],
    }


def test_the_user_is_told(run, tensors, workdir):
    _, out, _ = run(tensors)
    lines = out.splitlines()
    assert lines[0] == "weights.npz: a made-up project, step 7"
    assert lines[1] == "  generator      70 variables from 70 tensors"
    assert "  ignored        2 tensors: moments" in lines
    sizes = "32 pixels, 10 classes, z 8, channels 4, attention 16x16"
    assert f"  {sizes}" in lines
    assert "note: a note." in lines
    assert "--reference_statistics" in lines[-2]
    assert f"sagan_tf.sample --workdir={workdir}" in lines[-1]


def test_flags_change_how_it_was_trained_and_tell_the_data(run, tensors, workdir):
    _, out, _ = run(tensors, "--adam_beta2=0.75", "--dataset=digits", "--z_dim=8")
    config = directory.read_config(workdir)
    assert (config.adam_beta2, config.dataset, config.flip) == (0.75, "digits", True)
    assert "--reference_statistics" not in out


def test_data_that_nobody_told_are_asked_for(run, tensors, workdir):
    run(tensors)
    config = directory.read_config(workdir)
    with pytest.raises(ValueError, match=r"dataset must be one of.*unknown \(imported"):
        building.open_data(config)


def test_a_flag_that_contradicts_the_weights_is_refused(run, tensors, workdir):
    err = refused(run(tensors, "--z_dim=128"), workdir)
    assert "z_dim is 8 in the checkpoint. Received: --z_dim=128. Try without" in err


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("--spectral_norm_clamp", "spectral_norm_clamp is False in the checkpoint"),
        (
            "--spectral_norm_conditional_batch_norm",
            "spectral_norm_conditional_batch_norm is False in the checkpoint",
        ),
        (
            "--discriminator_head=auxiliary_classifier",
            "discriminator_head is projection in the checkpoint",
        ),
    ],
)
def test_networks_that_no_source_has_are_refused(run, tensors, workdir, flag, told):
    assert told in refused(run(tensors, flag), workdir)


def test_an_average_has_any_decay_but_does_not_appear(run, tensors, workdir):
    alone = only(tensors, "generator")
    err = refused(run(alone, "--ema_decay=0.99"), workdir)
    assert "ema_decay is None in the checkpoint. Received: --ema_decay=0.99." in err
    assert run(tensors, "--ema_decay=0.99")[0] == 0
    assert directory.read_config(workdir).ema_decay == 0.99


def test_an_average_may_be_left_unused(run, tensors, workdir):
    assert run(tensors, "--ema_decay=none")[0] == 0
    network = building.load_generator(workdir)[0]
    kernel = variables_by_name(network)["linear/kernel"]
    np.testing.assert_array_equal(kernel, tensors["generator/linear/kernel"])


def test_the_present_folder_can_become_the_run(run, tensors, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(tensors, "--workdir=.")[0] == 0
    assert (tmp_path / "here" / "import.json").exists()


def test_the_command_that_is_shown_can_be_pasted(run, tensors, tmp_path):
    workdir = tmp_path / "my run"
    _, out, _ = run(tensors, f"--workdir={workdir}")
    assert f"Try python -m sagan_tf.sample --workdir='{workdir}' --seeds" in out


def test_flags_of_other_layouts_are_refused(run, tensors, workdir, monkeypatch):
    assert run(tensors, "--image_order=bgr")[0] == 0
    monkeypatch.setattr(LAYOUT, "OPTIONS", ())
    status, _, err = run(tensors, "--image_order=bgr", f"--workdir={workdir}2")
    assert status == 2
    assert "image_order does nothing for checkpoints of a made-up project" in err
    assert not workdir.with_name("one2").exists()


def test_classes_may_have_names(run, tensors, workdir, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\n".join("abcdefghij") + "\n", "utf-8-sig")  # As of Windows.
    assert run(tensors, f"--class_names={names}")[0] == 0
    assert directory.read_class_names(workdir) == tuple("abcdefghij")


def test_a_name_for_each_class_is_needed(run, tensors, workdir, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    err = refused(run(tensors, f"--class_names={names}"), workdir)
    assert "each of the 10 classes. Received: 2 lines" in err
    names.write_bytes(b"\xff\xfe")
    err = refused(run(tensors, f"--class_names={names}"), workdir)
    assert "class_names must be a text file in UTF-8" in err
    err = refused(run(tensors, f"--class_names={tmp_path / 'nowhere'}"), workdir)
    assert "nowhere" in err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop("generator/linear/bias"), "1 missing: generator/linear/bias."),
        (
            lambda t: t.update({"generator/more": np.ones(2)}),
            "1 unknown: generator/more (2,).",
        ),
        (
            lambda t: t.update({"generator/linear/bias": np.ones(2)}),
            "1 of another shape: generator/linear/bias (2,) for linear/bias (256,).",
        ),
        (
            lambda t: t.update({"generator/linear/bias": np.full(256, np.nan)}),
            "1 not finite: generator/linear/bias (256,).",
        ),
    ],
    ids=["missing", "unknown", "shape", "not finite"],
)
def test_other_tensors_than_the_networks_are_refused(
    run, tensors, workdir, change, told
):
    tensors = dict(tensors)
    change(tensors)
    assert told in refused(run(tensors), workdir)


def test_a_run_that_is_there_stays_as_it_is(run, tensors, workdir):
    run(tensors)
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
    status, out, err = run(tensors)
    assert (status, out) == (2, "")
    assert f"Received: {workdir}, which holds a run. Try another --workdir." in err
    assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


@pytest.mark.parametrize(("name", "status"), [("note.txt", 2), (None, 0)])
def test_the_folder_may_be_there_if_it_is_empty(run, tensors, workdir, name, status):
    workdir.mkdir(parents=True)
    if name:
        (workdir / name).write_text("mine")
    assert run(tensors)[0] == status
    assert (workdir / "config.json").exists() == (status == 0)


def test_a_full_disk_leaves_nothing(run, tensors, workdir, monkeypatch):
    def fail(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("sagan_tf.importers.run_from_checkpoint.write_text", fail)
    assert "No space left on device" in refused(run(tensors), workdir)


def test_the_wrong_kind_is_told_with_the_right_one(run, tensors, workdir):
    err = refused(run(tensors, "--from=mmgeneration"), workdir)
    assert "It looks like a made-up project. Try --from=official-tf1." in err
    err = refused(run({"their/w": np.ones(2)}), workdir)
    assert "It looks like another one. Try --from=mmgeneration." in err


def test_what_no_kind_knows_is_told(run, workdir):
    err = refused(run({"other/w": np.ones(2), "other/b": np.ones(2)}), workdir)
    assert "reads checkpoints of a made-up project. Received: " in err
    assert "with tensors other/w, other/b, ... Try another --input." in err


def test_a_path_without_a_checkpoint_is_told(run, tensors, workdir, tmp_path):
    err = refused(run(tensors, f"--input={tmp_path / 'nowhere'}"), workdir)
    assert "--input must be an .npz file. Received: " in err
    assert err.endswith("Try another --input.\n")


@pytest.mark.parametrize("flag", ["from", "input", "workdir"])
def test_flags_that_are_needed_are_asked_for(capsys, flag):
    given = {"from": "official-tf1", "input": "a", "workdir": "b"}
    arguments = [f"--{name}={value}" for name, value in given.items() if name != flag]
    assert import_weights.main(["import_weights", *arguments]) == 2
    assert f"--{flag} is needed" in capsys.readouterr().err


@pytest.mark.slow
def test_training_goes_on_with_new_optimizers(run, tensors, workdir, capsys):
    run(tensors, "--dataset=digits")
    assert tiny.run(workdir, total_steps=STEP + 2, ema_decay=0.9) == 0
    out, err = capsys.readouterr()
    assert "This checkpoint was imported: the optimizers start from zero." in out
    assert f"Resuming from step {STEP}" in err
    after = tiny.weights(workdir, STEP + 2)
    assert after["generator_optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE"] == 2
    assert after["step/.ATTRIBUTES/VARIABLE_VALUE"] == STEP + 2
    # From then on it is a run like any other.
    assert tiny.run(workdir, total_steps=STEP + 3, ema_decay=0.9) == 0
    assert "start from zero" not in capsys.readouterr().out
    trained = tiny.weights(workdir, STEP + 3)
    assert trained["generator_optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE"] == 3


def test_a_generator_alone_is_used_but_not_trained_on(run, tensors, workdir, capsys):
    _, out, _ = run(only(tensors, "generator"), "--dataset=digits")
    assert "discriminator" not in out
    assert building.load_generator(workdir)[3] == STEP
    assert tiny.run(workdir, ema_decay="none", total_steps=STEP + 2) == 2
    err = capsys.readouterr().err
    assert "was imported without a discriminator, so it cannot be trained" in err
    assert not list(workdir.glob("metrics*"))


def test_counters_are_those_of_a_training(run, tensors, workdir):
    run(tensors)
    counters = {
        name: keras.Variable(0, dtype="int64")
        for name in ("step", "first_nonfinite_step")
    }
    Checkpoints(workdir / "checkpoints").restore(STEP, counters)
    assert [int(v) for v in counters.values()] == [STEP, -1]


def test_help_says_what_there_is(capsys):
    assert import_weights.main(["import_weights", "--help"]) == 0
    text = capsys.readouterr().out
    for kind in ("official-tf1", "biggan-pytorch", "mmgeneration", "studiogan"):
        assert kind in "".join(text.split())


def test_every_kind_has_a_reader(monkeypatch):
    monkeypatch.undo()
    assert set(importers.SOURCES) == set(import_weights.KINDS)
