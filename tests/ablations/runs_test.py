"""What runs have left, read back."""

import json

from sagan_tf.ablations import runs as ablation_runs
from tests.ablations.report_test import evaluation, write


def find(path, cells=()):
    return ablation_runs.find(path, cells)


def test_runs_are_those_asked_for_and_those_that_are_there(tmp_path):
    write(tmp_path, "feat8", 10)
    write(tmp_path, "feat8", 2)
    write(tmp_path, "feat16", 0)
    (tmp_path / "feat8" / "seed_x").mkdir()
    (tmp_path / "feat8" / "seed_x" / "config.json").write_text("{}")
    runs = find(tmp_path, [("sn_both", 0), ("feat8", 0)])
    assert list(runs) == ["sn_both", "feat8", "feat16"]
    assert [run.seed for run in runs["feat8"]] == [0, 2, 10]
    assert [run.state for run in runs["feat8"]] == ["missing", "finished", "finished"]


def test_a_state_is_what_the_training_ended_with(tmp_path):
    for seed, status in enumerate((0, 4, 6, None)):
        write(tmp_path, "feat8", seed, status=status)
    states = [run.state for run in find(tmp_path)["feat8"]]
    assert states == ["finished", "diverged", "collapsed", "begun"]


def test_minutes_count_all_starts_of_a_run(tmp_path):
    write(tmp_path, "feat8", 0)
    (run,) = find(tmp_path)["feat8"]
    # 6,000 images at 40 a second.
    assert run.minutes == 2.5


def test_the_setup_is_that_of_most_runs(tmp_path):
    slow = evaluation(200, 9.0, protocol="official-train-50k")
    write(tmp_path, "a", 0, evaluations=[slow, evaluation(200, 1.0)])
    write(tmp_path, "b", 0, evaluations=[slow])
    write(tmp_path, "c", 0, evaluations=[evaluation(100, 2.0), slow, slow])
    runs = [run for same_cell in find(tmp_path).values() for run in same_cell]
    record = ablation_runs.choose_setup(runs)
    assert record["protocol"]["name"] == "official-train-50k"
    assert [run.last("fid") for run in runs] == [9.0, 9.0, 9.0]


def test_other_real_images_are_another_setup(tmp_path):
    other = {**evaluation(100, 9.0), "reference": {"content_hash": "c3"}}
    write(tmp_path, "a", 0, [(200, 4.0)], evaluations=[other])
    write(tmp_path, "b", 0, [(200, 5.0)])
    runs = [run for same_cell in find(tmp_path).values() for run in same_cell]
    ablation_runs.choose_setup(runs)
    assert runs[0].evaluations.keys() == {200}


def test_pictures_that_were_scored_are_no_checkpoints(tmp_path):
    pictures = {**evaluation(None, 1.0), "subject": "folder:generated"}
    write(tmp_path, "a", 0, [(200, 4.0)], evaluations=[pictures])
    (run,) = find(tmp_path)["a"]
    assert [record["step"] for record in run.records] == [200]


def test_nothing_evaluated_is_no_setup(tmp_path):
    write(tmp_path, "a", 0)
    assert ablation_runs.choose_setup(find(tmp_path)["a"]) is None


def test_a_classifier_is_known_by_its_hash(tmp_path):
    (tmp_path / "classifier.json").write_text(json.dumps({"sha256": "a1"}))
    record = evaluation(200, 1.0)
    assert ablation_runs.has_setup(record, "quick-5k", str(tmp_path))
    assert not ablation_runs.has_setup(record, "biggan-train-full", str(tmp_path))
    assert not ablation_runs.has_setup(record, "quick-5k", "inception")
    (tmp_path / "classifier.json").write_text(json.dumps({"sha256": "zz"}))
    assert not ablation_runs.has_setup(record, "quick-5k", str(tmp_path))


def test_a_commit_that_was_changed_has_a_plus(tmp_path):
    write(tmp_path, "a", 0)
    entries = [
        {"git_commit": "0123456789", "git_changed": False},
        {"git_commit": "abcdefabcd", "git_changed": True},
        {"git_commit": None, "git_changed": None},
    ]
    path = tmp_path / "a" / "seed_0" / "versions.json"
    path.write_text(json.dumps(entries))
    (run,) = find(tmp_path)["a"]
    assert run.commits == ["0123456", "abcdefa+"]
