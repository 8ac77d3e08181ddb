"""A run that is shown and not started."""

import tiny

from sagan_tf import train


def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tiny.run(tmp_path / "run", dry_run=True) == 0
    assert list(tmp_path.iterdir()) == []
    text = capsys.readouterr().out
    for part in ('"z_dim": 8', "10 classes", "attention_16x16", "activations", "MiB"):
        assert part in text


def test_a_dry_run_needs_no_workdir():
    flags = [f"--{name}={value}" for name, value in tiny.FLAGS.items()]
    assert train.main(["train", "--dry_run", *flags]) == 0
