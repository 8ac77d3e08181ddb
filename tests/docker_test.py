"""The examples for containers: YAML, and the script that both of them start.

There are no containers here; `multi_worker_test.py` runs the script as two processes.
"""

import json
import os
import re
import subprocess

import processes
import yaml
from configs_test import load

from sagan_tf import __version__

FOLDER = processes.ROOT / "docker"
SCRIPT = "docker/train_worker.sh"


def services():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def worker_spec():
    job = yaml.safe_load((FOLDER / "tfjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    return job["spec"]["tfReplicaSpecs"]["Worker"]


def container():
    (only,) = worker_spec()["template"]["spec"]["containers"]
    return only


def variables():
    """The variables for the script, of all workers of both examples."""
    found = [service["environment"] for service in services().values()]
    return [*found, {entry["name"]: entry["value"] for entry in container()["env"]}]


def test_both_examples_start_the_script():
    commands = [service["command"] for service in services().values()]
    assert [*commands, container()["command"]] == [[SCRIPT]] * 3
    assert os.access(processes.ROOT / SCRIPT, os.X_OK)


def test_each_service_is_one_of_the_two_workers_that_all_of_them_know():
    configs = [json.loads(s["environment"]["TF_CONFIG"]) for s in services().values()]
    addresses = [f"{name}:2222" for name in services()]
    assert len(addresses) == 2
    assert [config["cluster"] for config in configs] == [{"worker": addresses}] * 2
    tasks = [config["task"] for config in configs]
    assert tasks == [{"type": "worker", "index": index} for index in (0, 1)]


def test_each_service_has_a_gpu_of_its_own():
    reserved = [s["deploy"]["resources"]["reservations"] for s in services().values()]
    ids = [device["device_ids"] for each in reserved for device in each["devices"]]
    assert ids == [["0"], ["1"]]


def test_the_operator_finds_what_it_looks_for():
    assert worker_spec()["replicas"] == 2
    assert container()["name"] == "tensorflow"
    (port,) = container()["ports"]
    assert (port["name"], port["containerPort"]) == ("tfjob-port", 2222)


def test_workers_are_started_again_and_have_time_to_save():
    for service in services().values():
        assert service["restart"].startswith("on-failure")
        assert service["stop_grace_period"] == "5m"
    assert worker_spec()["restartPolicy"] == "OnFailure"
    assert worker_spec()["template"]["spec"]["terminationGracePeriodSeconds"] == 300


def test_workdir_lies_in_a_volume_that_all_workers_share():
    mounts = [
        volume.split(":")[1] for s in services().values() for volume in s["volumes"]
    ]
    assert mounts == ["/runs", "/data"] * 2
    spec = worker_spec()["template"]["spec"]
    claims = {v["name"]: v["persistentVolumeClaim"] for v in spec["volumes"]}
    assert [m["mountPath"] for m in container()["volumeMounts"]] == ["/runs", "/data"]
    assert {m["name"] for m in container()["volumeMounts"]} == set(claims)
    assert all(v["WORKDIR"].startswith("/runs/") for v in variables())


def test_the_flagfile_is_there_and_for_several_workers():
    for each in variables():
        config = load(processes.ROOT / each["FLAGFILE"])
        assert config.strategy == "multi_worker"
        assert config.data_dir.startswith("/data")


def test_the_image_has_the_version_of_the_package_and_a_pinned_base():
    assert container()["image"].endswith(f":{__version__}")
    text = (FOLDER / "train.Dockerfile").read_text()
    (base,) = re.findall(r"^FROM (.*)$", text, re.MULTILINE)
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-base-ubuntu\d\d\.\d\d", base)
    for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (processes.ROOT / source).exists(), source


def test_the_script_says_what_it_lacks_and_passes_flags_on():
    def run(*flags, **environment):
        return subprocess.run(
            [processes.ROOT / SCRIPT, *flags],
            env={"PATH": os.environ["PATH"], "PYTHON": "echo", **environment},
            capture_output=True,
            text=True,
        )

    assert "WORKDIR" in run().stderr
    assert run("--seed=3", WORKDIR="/w", FLAGFILE="f").stdout.split() == [
        *("-m", "sagan_tf.train", "--flagfile=f", "--workdir=/w"),
        *("--strategy=multi_worker", "--seed=3"),
    ]
