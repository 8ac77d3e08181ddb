"""What the system and TensorFlow report, in our words."""

import errno
import os

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.settings.explanations import explain, explained


def of_system(number, *names):
    return explain(OSError(number, os.strerror(number), *names))


def test_an_error_of_the_system_says_what_to_try():
    assert of_system(errno.ENOSPC, "/runs/x") == (
        "No space left on device: /runs/x. Try another disk, or free some space: the "
        "disk is full."
    )
    assert "Try another path" in of_system(errno.EACCES, "/runs/x")
    assert "a folder inside it if it is a mount point" in of_system(errno.EBUSY, "/out")
    assert of_system(errno.ENOSPC).startswith("No space left on device. Try")
    for number in (errno.ENOENT, errno.EISDIR, errno.EROFS, errno.ENAMETOOLONG):
        text = of_system(number, b"/runs/x")
        assert "Errno" not in text and "/runs/x" in text and "Try" in text


def test_an_unusual_error_of_the_system_has_its_own_words():
    assert of_system(errno.ECONNREFUSED) == "Connection refused."
    assert explain(OSError("cannot identify image file")) == (
        "cannot identify image file"
    )
    assert explain(OSError()) == "OSError"


def test_too_little_memory_is_no_bug():
    with pytest.raises(MemoryError) as caught:
        np.empty([2**60], np.uint8)
    assert "too little memory" in explain(caught.value)
    assert "1.00 EiB" in explain(caught.value)
    error = tf.errors.ResourceExhaustedError(
        None,
        None,
        "{{function_node __wrapped__Fill_device_/CPU:0}} OOM when allocating tensor "
        "with shape[99,99] and type float on /job:localhost by allocator cpu [Op:Fill]",
    )
    assert explain(error).startswith(
        "There is too little memory. Received: OOM when allocating tensor with "
        "shape[99,99] and type float. Try smaller"
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tf.errors.ResourceExhaustedError, "No space left on device"),
        (tf.errors.PermissionDeniedError, "Permission denied"),
        (tf.errors.FailedPreconditionError, "Read-only file system"),
        (tf.errors.NotFoundError, "No such file or directory"),
        (tf.errors.UnknownError, "Input/output error"),
    ],
)
def test_tensorflow_reports_what_the_system_does(kind, reason):
    message = f"{{{{function_node __wrapped__SaveV2}}}} /runs/x/a; {reason} [Op:SaveV2]"
    text = explain(kind(None, None, message))
    assert text.startswith(f"{reason}: /runs/x/a. Try ")
    assert "{" not in text and "Op" not in text


def test_the_words_of_tensorflow_within_ours_lose_the_operation():
    error = OSError(
        "The checkpoint could not be written: {{function_node __wrapped__SaveV2}} "
        "/runs/x; No space left on device [Op:SaveV2] Try freeing disk space."
    )
    assert explain(error) == (
        "The checkpoint could not be written: /runs/x; No space left on device. Try "
        "freeing disk space."
    )


def test_a_real_file_of_tensorflow_is_named(tmp_path):
    with pytest.raises(explained()) as caught:
        tf.io.write_file(str(tmp_path), "x")
    assert str(tmp_path) in explain(caught.value)
    with pytest.raises(explained()) as caught:
        tf.io.read_file(str(tmp_path / "missing"))
    assert explain(caught.value).startswith(
        f"No such file or directory: {tmp_path / 'missing'}. Try"
    )


def test_other_errors_of_tensorflow_are_bugs():
    assert explain(tf.errors.InvalidArgumentError(None, None, "shapes differ")) is None


def test_it_is_one_line_of_words_that_fit():
    text = explain(BadInput(f"a\n b\t{'9' * 5000}"))
    assert text.startswith("a b 999") and "..." in text and len(text) < 300
