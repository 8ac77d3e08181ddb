"""Whatever a file holds, a command ends with status 0 or 2, and one line if it is 2.

Hypothesis makes the files: npz, TFRecord framing and JSON beside a run; and flags.
"""

import io
import json
import pathlib
import struct

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis.extra import numpy as arrays

from sagan_tf import data
from sagan_tf.planning.plan import read_measurement
from sagan_tf.run import directory, records, versions
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.settings import command
from sagan_tf.settings.config import Config
from tests.architecture_test import COMMANDS
from tests.hostile.commands import flags_of, module

few = hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
many = hypothesis.settings(few, max_examples=60)


def ends_well(capsys, work):
    """Runs `work` as a command does; says whether it was refused, with one line."""

    def main(values):
        work()
        return 0

    capsys.readouterr()
    status = command.run_command(main, lambda values: None, "About.", ["command"])
    lines = [
        line for line in capsys.readouterr().err.splitlines() if line[:6] == "error:"
    ]
    assert status in (0, 2)
    assert len(lines) == status // 2
    return status == 2


def damaged(content):
    """A strategy: bytes that were cut, changed or grew."""
    places = st.integers(0, len(content) - 1)
    return st.one_of(
        places.map(lambda place: content[:place]),
        st.tuples(places, st.binary(min_size=1, max_size=8)).map(
            lambda change: (
                content[: change[0]] + change[1] + content[change[0] + len(change[1]) :]
            )
        ),
        st.tuples(places, st.binary(min_size=1, max_size=8)).map(
            lambda change: content[: change[0]] + change[1] + content[change[0] :]
        ),
    )


def use(dataset):
    """Opens a data set and reads its first images."""
    source = data.open_source(dataset)
    count = min(2, source.num_images)
    for _ in data.read_once(source, resolution=32, image_channels=3, count=count):
        pass


dtypes = st.one_of(
    st.just(np.dtype(np.uint8)),
    arrays.integer_dtypes(),
    arrays.floating_dtypes(),
    arrays.boolean_dtypes(),
    arrays.unicode_string_dtypes(max_len=3),
)
shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
anything = arrays.arrays(dtypes, shapes)
pixels = arrays.arrays(np.uint8, st.tuples(st.just(3), *[st.integers(1, 4)] * 3))


@pytest.mark.slow
@few
@hypothesis.given(
    st.fixed_dictionaries(
        {"images": st.one_of(pixels, anything)},
        optional={
            "labels": st.one_of(arrays.arrays(np.int64, 3), anything),
            "class_names": anything,
            "other": anything,
        },
    )
)
def test_any_arrays_in_an_npz(capsys, tmp_path, content):
    np.savez(tmp_path / "a.npz", **content)
    ends_well(capsys, lambda: use(f"npz:{tmp_path}/a.npz"))


def npz():
    file = io.BytesIO()
    labels = np.arange(3)
    np.savez(file, images=np.zeros((3, 2, 4, 3), np.uint8), labels=labels)
    return file.getvalue()


@few
@hypothesis.given(st.one_of(st.binary(max_size=64), damaged(npz())))
def test_any_bytes_as_an_npz(capsys, tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    ends_well(capsys, lambda: use(f"npz:{tmp_path}/a.npz"))


def tfrecord(folder):
    """The bytes of a TFRecord file with three images."""
    path = str(pathlib.Path(folder) / "good.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for label in range(3):
            image = tf.io.encode_png(np.full((2, 4, 3), label, np.uint8)).numpy()
            features = {
                "image_raw": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[image])
                ),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return pathlib.Path(path).read_bytes()


@pytest.fixture(scope="module")
def records_file(tmp_path_factory):
    return tfrecord(tmp_path_factory.mktemp("records"))


@pytest.mark.slow
@few
@hypothesis.given(choose=st.data())
def test_any_framing_of_a_tfrecord(capsys, tmp_path, records_file, choose):
    lengths = st.integers(0, 2**64 - 1).map(lambda length: struct.pack("<Q", length))
    content = choose.draw(
        st.one_of(
            damaged(records_file),
            st.binary(max_size=64),
            lengths,
            lengths.map(lambda length: length + records_file[8:]),
            lengths.map(lambda length: records_file + length + b"\0" * 4),
        )
    )
    (tmp_path / "a.tfrecord").write_bytes(content)
    ends_well(capsys, lambda: use(f"tfrecord:{tmp_path}/a.tfrecord"))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=6,
)


def side_files(good):
    """A strategy: bytes in place of a JSON object; a field of it may be another."""
    fields = st.sampled_from(sorted(good))
    as_bytes = values.map(lambda value: json.dumps(value).encode())
    changed = st.tuples(fields, values).map(
        lambda field: json.dumps({**good, field[0]: field[1]}).encode()
    )
    without = fields.map(
        lambda name: json.dumps({k: v for k, v in good.items() if k != name}).encode()
    )
    text = json.dumps(good).encode()
    return st.one_of(changed, without, as_bytes, damaged(text), st.binary(max_size=20))


CONFIG = json.loads(Config(num_classes=3, image_channels=1).to_json())
DATA = {"description": "a", "num_images": 3, "num_classes": 2, "class_names": ["a"]}
METRICS = {"step": 1, "images": 10, "d_loss": 1.0, "images_per_second": 2.0}
VERSIONS = {"from_step": 0, "sagan_tf": "1", "git_commit": None, "git_changed": None}
MEASURED = {"results": {"train_step": {"counted_share_of_matmul": 1}}, "settings": {}}


@pytest.mark.parametrize(
    ("file", "good", "read"),
    [
        ("config.json", CONFIG, directory.read_config),
        ("data.json", DATA, directory.read_class_names),
        ("metrics.jsonl", METRICS, lambda d: records.read_metrics(d / "metrics.jsonl")),
        ("metrics.jsonl", METRICS, records.draw_metrics),
        ("versions.json", VERSIONS, lambda run: versions.record_versions(run, 1)),
        ("measured.json", MEASURED, lambda d: read_measurement(d / "measured.json")),
        (
            "checkpoints/step_00000001/checkpoint.json",
            {"step": 1, "files": {}},
            lambda run: Checkpoints(run / "checkpoints").newest_good(),
        ),
    ],
    ids=["config", "data", "metrics", "plot", "versions", "measured", "checkpoint"],
)
def test_any_json_beside_a_run(capsys, tmp_path, file, good, read):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)

    @many
    @hypothesis.given(side_files(good), st.booleans())
    def check(content, is_line):
        path.write_bytes(content + b"\n" * is_line)
        ends_well(capsys, lambda: read(tmp_path))

    check()


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
numbers = st.one_of(st.integers(), st.floats(), st.integers(-3, 300)).map(str)


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize("name", COMMANDS)
def test_any_value_of_any_flag(capsys, name):
    names = [f"--{flag}" for flag in flags_of(name)]
    given = st.tuples(st.sampled_from(names), st.one_of(words, numbers))
    argument = st.one_of(
        given.map("=".join), st.sampled_from(names), words, given.map(lambda a: a[1])
    )

    @few
    @hypothesis.given(st.lists(argument, min_size=1, max_size=3))
    def check(arguments):
        try:
            status = module(name).main([name, *arguments])
        except AssertionError as error:  # The flags are good.
            assert str(error).endswith(" is loaded")
            status = 0
        assert status in (0, 2)
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == status // 2
        assert all(line.startswith("error: ") for line in lines)

    check()


@pytest.mark.usefixtures("nothing_is_loaded")
@few
@hypothesis.given(
    st.one_of(st.binary(max_size=40), damaged(b"--seed=3\n# a\n--flip\n"))
)
def test_any_bytes_as_a_flagfile(capsys, tmp_path, content):
    (tmp_path / "a.flags").write_bytes(content)
    assert module("train").main(["train", f"--flagfile={tmp_path}/a.flags"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
