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
from sagan_tf.run.building import load_generator
from tests.importers.torch_recordings import draw, load, state_dicts

ZIP = b"PK\x03\x04"


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
