import numpy as np

from sagan_tf.exports.packed_files import pack, unpack

CONTENTS = {
    "module": "export default 'ü';\n".encode(),
    "weights": np.random.default_rng(0).normal(size=1000).tobytes(),
    "nothing": b"",
}


def test_contents_come_back_by_name(tmp_path):
    pack(tmp_path / "a.js", CONTENTS)
    for name, content in CONTENTS.items():
        assert unpack(tmp_path / "a.js", name) == content


def test_the_same_contents_are_the_same_script_of_one_line_each(tmp_path):
    for name in ("a.js", "b.js"):
        pack(tmp_path / name, CONTENTS)
    text = (tmp_path / "a.js").read_bytes()
    assert text == (tmp_path / "b.js").read_bytes()
    assert text.count(b"\n") == len(CONTENTS)


def test_what_is_alike_gets_smaller(tmp_path):
    pack(tmp_path / "a.js", {"zeros": bytes(10**6)})
    assert (tmp_path / "a.js").stat().st_size < 10**4
