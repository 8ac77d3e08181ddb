import collections
import pickle
import sys
import types

import numpy as np
import pytest

from sagan_tf import import_weights, sample
from sagan_tf.importers import (
    biggan_pytorch,
    mmgeneration,
    read,
    studiogan,
    torch_files,
)
from sagan_tf.importers.torch_files import is_pth, read_pth, state_dict
from sagan_tf.run.building import load_generator
from tests.importers.torch_recordings import draw, load, state_dicts

ZIP = b"PK\x03\x04"
# Whether the file is a ZIP archive, or as before PyTorch 1.6.
FORMATS = [True, False]


@pytest.fixture
def torch():
    return pytest.importorskip(
        "torch",
        reason="PyTorch is not installed: .pth files are not tested. "
        "Try pip install -e .[torch]",
    )


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(ZIP)


def found(path):
    return sorted(file.name for file in torch_files.files(path))


def save(torch, content, path):
    torch.save({name: torch.tensor(array) for name, array in content.items()}, path)


def save_biggan(torch, folder):
    recording = load("biggan_pytorch_32")
    for role, tensors in state_dicts(recording).items():
        save(torch, tensors, folder / f"{role}.pth")
    return recording


def save_mmgeneration(torch, path):
    recording = load("mmgeneration_32")
    tensors = {
        name: torch.tensor(array)
        for name, array in recording.tensors.items()
        if name != "meta.config"
    }
    meta = {
        "config": str(recording.tensors["meta.config"]),
        "iter": 826,
        "hook_msgs": {"best_score_fid": np.float64(12.83)},
    }
    torch.save({"state_dict": tensors, "meta": meta, "optimizer": {}}, path)
    return recording


def test_the_files_of_a_set_are_read_together(tmp_path):
    touch(tmp_path, "G.pth", "G_ema.pth", "D.pth", "G_optim.pth", "state_dict.pth")
    touch(tmp_path, "G_best0.pth", "G_ema_best0.pth", "notes.txt")
    for name in ("G.pth", "G_ema.pth", "D.pth"):
        assert found(tmp_path / name) == ["D.pth", "G.pth", "G_ema.pth"]
    assert found(tmp_path / "G_best0.pth") == ["G_best0.pth", "G_ema_best0.pth"]
    assert found(tmp_path) == ["D.pth", "G.pth", "G_ema.pth"]


def test_studiogans_names_make_a_set(tmp_path):
    names = [f"model={role}-best-weights-step=7.pth" for role in ("D", "G", "G_ema")]
    touch(tmp_path, *names)
    assert found(tmp_path / names[0]) == sorted(names)
    assert found(tmp_path) == sorted(names)


def test_a_file_with_another_name_is_read_alone(tmp_path):
    touch(tmp_path, "sagan_128_imagenet.pth", "G.pth")
    assert found(tmp_path / "sagan_128_imagenet.pth") == ["sagan_128_imagenet.pth"]


def test_the_optimizers_file_makes_no_set(tmp_path):
    touch(tmp_path, "G_best0.pth", "G_optim_best0.pth")
    assert found(tmp_path) == ["G_best0.pth"]


def test_of_two_sets_in_a_folder_none_is_chosen(tmp_path):
    touch(tmp_path, "G_best0.pth", "G_best1.pth")
    assert found(tmp_path) == []
    assert found(tmp_path / "nothing.pth") == []


def test_names_begin_with_the_role_of_their_file(torch, tmp_path):
    recording = save_biggan(torch, tmp_path)
    tensors = torch_files.read(tmp_path / "G.pth")
    assert tensors.keys() == recording.tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(array, recording.tensors[name], err_msg=name)


def test_a_checkpoint_of_mmgeneration_has_its_config_and_iterations(torch, tmp_path):
    recording = save_mmgeneration(torch, tmp_path / "ckpt.pth")
    tensors = torch_files.read(tmp_path / "ckpt.pth")
    assert tensors.keys() == {*recording.tensors, "meta.iter"}
    assert int(tensors["meta.iter"]) == 826
    assert str(tensors["meta.config"]) == str(recording.tensors["meta.config"])


def test_every_kind_of_file_finds_its_layout(torch, tmp_path):
    folders = [tmp_path / name for name in ("biggan", "mm", "studio")]
    for folder in folders:
        folder.mkdir()
    save_biggan(torch, folders[0])
    save_mmgeneration(torch, folders[1] / "ckpt.pth")
    generator = state_dicts(load("studiogan_32"))["G"]
    path = folders[2] / "model=G-current-weights-step=7.pth"
    content = {name: torch.tensor(array) for name, array in generator.items()}
    torch.save({"state_dict": content, "optimizer": {"state": {}}}, path)
    assert read("biggan-pytorch", folders[0])[0] is biggan_pytorch
    assert read("mmgeneration", folders[1] / "ckpt.pth")[0] is mmgeneration
    layout, tensors = read("studiogan", folders[2])
    assert layout is studiogan
    assert int(tensors["meta.iter"]) == 7


def run_import(capsys, **flags):
    """Exit status and what was printed."""
    status = import_weights.main(
        ["import_weights", *(f"--{name}={value}" for name, value in flags.items())]
    )
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_an_imported_run_draws_what_the_source_draws(torch, tmp_path, capsys):
    recording = save_biggan(torch, tmp_path)
    workdir = tmp_path / "run"
    status, out, _ = run_import(
        capsys,
        **{"from": "biggan-pytorch"},
        input=tmp_path / "G.pth",
        workdir=workdir,
    )
    assert status == 0
    assert "G.pth, G_ema.pth, D.pth" in out and "the last sigma, for a log" in out
    for ema, images in ((False, recording.images), (True, recording.ema_images)):
        generator, *_ = load_generator(workdir, ema=ema)
        np.testing.assert_allclose(draw(generator, recording), images, atol=1e-5)
    picture = tmp_path / "grid.png"
    arguments = [f"--workdir={workdir}", "--seeds=0-3", f"--output={picture}"]
    assert sample.main(["sample", *arguments]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_another_from_names_the_right_one(torch, tmp_path, capsys):
    save_mmgeneration(torch, tmp_path / "ckpt.pth")
    status, _, err = run_import(
        capsys,
        **{"from": "studiogan"},
        input=tmp_path / "ckpt.pth",
        workdir=tmp_path / "run",
    )
    assert status == 2
    assert "Try --from=mmgeneration" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_file_with_code_leaves_nothing_behind(torch, tmp_path, capsys):
    torch.save({"a": torch.ones(2), "b": pytest.MonkeyPatch()}, tmp_path / "G.pth")
    status, _, err = run_import(
        capsys,
        **{"from": "biggan-pytorch"},
        input=tmp_path / "G.pth",
        workdir=tmp_path / "run",
    )
    assert status == 2
    assert "MonkeyPatch" in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["G.pth"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "G.pth"


def save_as(torch, content, path, zipped):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)


class CallsOnLoading:
    """Unpickling it calls `sys.exit`."""

    def __reduce__(self):
        return sys.exit, ("code of the file was run",)


class OwnObject:
    pass


@pytest.mark.parametrize("zipped", FORMATS)
def test_tensors_become_arrays_and_all_else_stays(torch, path, zipped):
    content = {
        "state_dict": collections.OrderedDict(
            half=torch.ones(2, 3).half(),
            bfloat=torch.full((2,), 0.5).bfloat16(),
            count=torch.tensor(3),
            parameter=torch.nn.Parameter(torch.arange(4.0)),
        ),
        "meta": {"iter": 7, "config": "x = 1", "list": [1, (2.5, None)]},
    }
    save_as(torch, content, path, zipped)
    assert is_pth(path)
    found = read_pth(path)
    assert found["meta"] == content["meta"]
    arrays = found["state_dict"]
    assert {name: array.dtype.name for name, array in arrays.items()} == {
        **{"half": "float32", "bfloat": "float32"},
        **{"count": "int64", "parameter": "float32"},
    }
    np.testing.assert_array_equal(arrays["half"], np.ones((2, 3)))
    np.testing.assert_array_equal(arrays["bfloat"], [0.5, 0.5])
    np.testing.assert_array_equal(arrays["parameter"], [0, 1, 2, 3])


@pytest.mark.parametrize("zipped", FORMATS)
def test_numpys_numbers_are_read(torch, path, zipped):
    # mmgeneration keeps its best score so.
    save_as(torch, {"best": np.float64(12.83), "n": np.int64(3)}, path, zipped)
    assert read_pth(path) == {"best": 12.83, "n": 3}


@pytest.mark.parametrize("zipped", FORMATS)
@pytest.mark.parametrize(
    "content, named",
    [(CallsOnLoading(), "sys.exit"), (OwnObject(), "torch_files_test.OwnObject")],
)
def test_code_and_objects_in_a_file_are_refused_and_not_run(
    torch, path, zipped, content, named
):
    save_as(torch, {"weight": torch.ones(2), "other": content}, path, zipped)
    with pytest.raises(ValueError) as error:
        read_pth(path)
    message = str(error.value)
    assert named in message and "nothing of it was run" in message
    assert "\n" not in message


def test_a_whole_network_is_refused_by_name(torch, path):
    torch.save(torch.nn.Linear(2, 3), path)
    with pytest.raises(ValueError, match="torch.nn.modules.linear.Linear"):
        read_pth(path)


@pytest.mark.parametrize("zipped", FORMATS)
def test_a_file_that_breaks_off_is_refused(torch, path, zipped):
    save_as(torch, {"weight": torch.ones(9999)}, path, zipped)
    path.write_bytes(path.read_bytes()[:9999])
    with pytest.raises(ValueError, match="damaged.*Received: ") as error:
        read_pth(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04 nothing", pickle.dumps([1, 2], 2)]
)
def test_other_files_are_refused(torch, path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="was not written by torch.save") as error:
        read_pth(path)
    assert "\n" not in str(error.value)


def test_a_missing_pytorch_is_told(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"Try pip install 'sagan-tf\[torch\]'"):
        read_pth(path)


def test_a_pytorch_that_could_run_code_is_refused(path, monkeypatch):
    old = types.SimpleNamespace(__version__="2.5.1+cpu")
    monkeypatch.setitem(sys.modules, "torch", old)
    with pytest.raises(ValueError, match="2.6 or newer. Received: 2.5.1"):
        read_pth(path)


def test_a_state_dict_is_found_bare_or_inside():
    arrays = {"a": np.ones(2), "b": np.zeros(3)}
    assert state_dict(arrays).keys() == {"a", "b"}
    assert state_dict({"state_dict": arrays, "step": 3}).keys() == {"a", "b"}
    assert state_dict({"module.a": np.ones(2), "module.b.c": np.ones(2)}).keys() == {
        *("a", "b.c"),
    }
    assert state_dict({"module.a": np.ones(2), "b": np.ones(2)}).keys() == {
        *("module.a", "b"),
    }


def test_what_is_no_tensor_is_no_part_of_a_state_dict():
    assert state_dict({"state": {0: {}}, "param_groups": [], "n": 3}) == {}
    assert state_dict([np.ones(2)]) == {}


def test_only_files_that_begin_like_torch_saves_are_taken_for_its_own(tmp_path):
    (tmp_path / "new").write_bytes(b"PK\x03\x04...")
    (tmp_path / "old").write_bytes(b"\x80\x02\x8a\nl")
    (tmp_path / "text").write_bytes(b"hello")
    (tmp_path / "empty").write_bytes(b"")
    found = [
        name for name in ("new", "old", "text", "empty") if is_pth(tmp_path / name)
    ]
    assert found == ["new", "old"]
    assert not is_pth(tmp_path) and not is_pth(tmp_path / "nothing")
