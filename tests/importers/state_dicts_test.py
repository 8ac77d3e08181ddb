import collections
import pickle
import sys
import types

import numpy as np
import pytest

from sagan_tf.importers.state_dicts import is_pth, read_pth, state_dict

# Whether the file is a ZIP archive, or as before PyTorch 1.6.
FORMATS = [True, False]


@pytest.fixture
def torch():
    return pytest.importorskip(
        "torch",
        reason="PyTorch is not installed: .pth files are not tested. "
        "Try pip install -e .[torch]",
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "G.pth"


def save(torch, content, path, zipped=True):
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
    save(torch, content, path, zipped)
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
    save(torch, {"best": np.float64(12.83), "n": np.int64(3)}, path, zipped)
    assert read_pth(path) == {"best": 12.83, "n": 3}


@pytest.mark.parametrize("zipped", FORMATS)
@pytest.mark.parametrize(
    "content, named",
    [(CallsOnLoading(), "sys.exit"), (OwnObject(), "state_dicts_test.OwnObject")],
)
def test_code_and_objects_in_a_file_are_refused_and_not_run(
    torch, path, zipped, content, named
):
    save(torch, {"weight": torch.ones(2), "other": content}, path, zipped)
    with pytest.raises(ValueError) as error:
        read_pth(path)
    message = str(error.value)
    assert named in message and "nothing of it was run" in message
    assert "\n" not in message


def test_a_whole_network_is_refused_by_name(torch, path):
    save(torch, torch.nn.Linear(2, 3), path)
    with pytest.raises(ValueError, match="torch.nn.modules.linear.Linear"):
        read_pth(path)


@pytest.mark.parametrize("zipped", FORMATS)
def test_a_file_that_breaks_off_is_refused(torch, path, zipped):
    save(torch, {"weight": torch.ones(9999)}, path, zipped)
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
