"""Reads .pth files of PyTorch: only tensors and numbers; none of their code is run."""

import pathlib
import pickle
import re

import numpy as np

from sagan_tf.errors import BadInput

# In older versions `weights_only=True` can be bypassed (CVE-2025-32434).
_SAFE_TORCH = (2, 6)


def read_pth(path):
    """Reads what `torch.save` wrote, with arrays in place of the tensors.

    Only dicts, lists, numbers, text and tensors are unpickled
    (`torch.load(weights_only=True)`), and NumPy's numbers, which mmgeneration's
    checkpoints contain.

    Args:
        path: of a file.

    Returns:
        As it was saved: dicts, lists, tuples, numbers, text; float32 or integer arrays.

    Raises:
        BadInput: it is damaged, is another kind of file, or contains other objects; or
            PyTorch is missing or too old.
    """
    torch = _torch()
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        raise BadInput(
            f"{path} must contain only tensors, numbers and text. Received: "
            f"{refused[1] if refused else _first_sentence(error)}. That is code or an "
            "object of another class, or the file is damaged; nothing of it was run. "
            "Try the file of a state dict."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{path} is damaged or was not written by torch.save. Received: "
            f"{type(error).__name__}: {_first_sentence(error)}. Try copying or "
            "downloading it again."
        ) from error
    return _with_arrays(content, torch)


def state_dict(content):
    """The tensors of a network.

    Args:
        content: from `read_pth`: a state dict or a dict with one under "state_dict".

    Returns:
        Dict of str to array, without the `module.` that DataParallel puts before all
        names.
    """
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        return {}
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, np.ndarray)
    }
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): v for name, v in tensors.items()}
    return tensors


def is_pth(path):
    """Whether a file looks like one of `torch.save`, of any version."""
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    # A ZIP archive, or before PyTorch 1.6 a pickle of protocol 2.
    return start == b"PK\x03\x04" or start[:2] == b"\x80\x02"


def _torch():
    """The module `torch`, of a version that reads safely."""
    try:
        import torch
    except ImportError as error:
        raise BadInput(
            "Reading .pth files needs PyTorch, which is not installed. "
            "Try pip install 'sagan-tf[torch]'."
        ) from error
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _SAFE_TORCH:
        raise BadInput(
            "Reading .pth files without running their code needs PyTorch 2.6 or newer. "
            f"Received: {torch.__version__}. Try pip install 'sagan-tf[torch]'."
        )
    return torch


def _numpy_numbers():
    """What `torch.load` may make besides its own objects: NumPy's scalars."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = (np.float32, np.float64, np.int32, np.int64, np.bool_)
    return [
        (scalar, "numpy.core.multiarray.scalar"),  # Up to NumPy 1.
        (scalar, "numpy._core.multiarray.scalar"),  # From NumPy 2 on.
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
    ]


def _first_sentence(error):
    return re.split(r"\.\s|\n", str(error))[0].rstrip(".")


def _with_arrays(content, torch):
    if isinstance(content, torch.Tensor):
        if content.is_floating_point():
            content = content.float()
        return content.detach().numpy()
    if isinstance(content, dict):
        return {key: _with_arrays(value, torch) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(_with_arrays(value, torch) for value in content)
    return content
