"""TF_CONFIG and SLURM: who the workers are, and which one this is."""

import json
import signal

import pytest

from sagan_tf.distribution import clusters

SLURM = {
    "SLURM_PROCID": "2",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "n[01-02]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "SLURMD_NODENAME", *SLURM):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slurm(monkeypatch):
    """The variables of task 2 of a step with two tasks on each of two nodes."""
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def tf_config(monkeypatch, cluster, job="worker", index=0):
    task = {"type": job, "index": index}
    # As Kubeflow writes it, with one key more.
    config = {"cluster": cluster, "task": task, "environment": "cloud"}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


@pytest.mark.parametrize(
    ("cluster", "job", "index"),
    [
        ({"worker": ["a:1", "b:2"]}, "worker", 1),
        ({"chief": ["a:1"], "worker": ["b:2"]}, "chief", 0),
    ],
)
def test_tf_config_is_read(cluster, job, index, monkeypatch):
    tf_config(monkeypatch, cluster, job, index)
    resolver = clusters.find_cluster()
    assert resolver.cluster_spec().as_dict() == cluster
    assert (resolver.task_type, resolver.task_id) == (job, index)
    assert clusters.describe(resolver) == f"{job} {index} of a:1, b:2"


def test_tf_config_goes_before_slurm(slurm):
    tf_config(slurm, {"worker": ["a:1"]})
    assert clusters.find_cluster().cluster_spec().as_dict() == {"worker": ["a:1"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON"),
        ("[]", "JSON"),
        ('{"cluster": {"worker": ["a:1"]}}', "task"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker"}}', "index"),
        ('{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}', "JSON"),
    ],
)
def test_a_damaged_tf_config_is_named_with_an_example(text, words, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG.*Received: .*Try") as error:
        clusters.find_cluster()
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("cluster", "job", "index", "words"),
    [
        ({"worker": ["a:1", "b:1"]}, "worker", 2, "index 2"),
        ({"worker": ["a:1", "b:1"]}, "worker", -1, "index -1"),
        ({"worker": ["a:1"]}, "chief", 0, "'chief'"),
        ({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0, "'ps': 1"),
        ({"chief": ["a:1", "b:1"]}, "chief", 0, "'chief': 2"),
    ],
)
def test_a_cluster_that_cannot_train_is_named(cluster, job, index, words, monkeypatch):
    tf_config(monkeypatch, cluster, job, index)
    with pytest.raises(ValueError) as error:
        clusters.find_cluster()
    assert words in str(error.value).split("Received:")[1]


def test_the_tasks_of_a_slurm_step_are_the_workers(slurm):
    resolver = clusters.find_cluster()
    assert resolver.cluster_spec().as_dict() == {
        "worker": ["n01:8888", "n01:8889", "n02:8888", "n02:8889"]
    }
    assert (resolver.task_type, resolver.task_id) == ("worker", 2)


def test_slurm_needs_no_programs_and_changes_no_variables(slurm, tmp_path):
    """TensorFlow's resolver would run nvidia-smi, and set CUDA_VISIBLE_DEVICES."""
    slurm.setenv("PATH", str(tmp_path))
    slurm.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    clusters.find_cluster()
    assert "CUDA_VISIBLE_DEVICES" not in clusters.os.environ


def test_nodes_that_tensorflow_numbers_otherwise_are_refused(slurm):
    slurm.setenv("SLURM_STEP_NODELIST", "n[2,10]")  # To TensorFlow n10 comes first.
    slurm.setenv("SLURMD_NODENAME", "n10")
    with pytest.raises(ValueError, match="task 2 on n10, expected on n2.*TF_CONFIG"):
        clusters.find_cluster()


@pytest.mark.parametrize("name", ["SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE"])
def test_a_variable_that_slurm_did_not_set_is_named(name, slurm):
    slurm.delenv(name)
    with pytest.raises(ValueError, match=f"Received: {name}.*srun"):
        clusters.find_cluster()


def test_ctrl_c_ends_the_waiting_for_others(monkeypatch, capsys):
    tf_config(monkeypatch, {"worker": ["a:1", "b:1"]})
    before = signal.getsignal(signal.SIGINT)
    with clusters.waiting_for_others(clusters.find_cluster()):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == "Connecting worker 0 of a:1, b:1.\n"
