"""The examples for containers: image, YAML, and the script that two of them start.

There are no containers here. `multi_worker_test.py` runs the script as two processes.
The image's instructions are run in a folder, but for two: `apt-get` (the base image is
not here) and the download of the requirements (CUDA's wheels: several GB). Docker's
own client, given this folder, was seen to send the files that `context` finds.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import dockerfile_parse
import processes
import pytest
import setuptools
import yaml
from compose_spec import PyCompose
from configs_test import load
from docker.utils import exclude_paths
from yamllint import config as yamllint_config
from yamllint import linter as yamllint

from sagan_tf import __version__

FOLDER = processes.ROOT / "docker"
SCRIPT = "docker/train_worker.sh"
DOCKERFILES = sorted(FOLDER.rglob("*Dockerfile*"))
COMPOSE_FILES = sorted(FOLDER.rglob("compose*.yaml"))


def name(path):
    return str(path.relative_to(FOLDER))


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


def hadolint(path):
    """The linter's complaints about a Dockerfile."""
    program = pathlib.Path(sys.executable).parent / "hadolint"
    call = [program, "--no-color", path]
    done = subprocess.run(call, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCKERFILES, ids=name)
def test_a_dockerfile_has_no_flaws_that_the_linter_knows(path):
    assert not hadolint(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("--no-cache-dir ", "", "DL3042"),
        (":12.6.3-base-ubuntu24.04", ":latest", "DL3007"),
        ("RUN python3", "RUN cd /opt && python3", "DL3003"),
        ("# hadolint ignore", "# ignore", "DL3008"),
        ("COPY configs", "COPPY configs", "unexpected"),
    ],
)
def test_a_flaw_in_a_dockerfile_would_be_seen(tmp_path, old, new, complaint):
    text = (FOLDER / "train.Dockerfile").read_text()
    assert old in text
    (tmp_path / "Dockerfile").write_text(text.replace(old, new))
    assert complaint in hadolint(tmp_path / "Dockerfile")


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.y*ml")), ids=name)
def test_yaml_has_no_flaws_that_the_linter_knows(path):
    rules = yamllint_config.YamlLintConfig(file=str(processes.ROOT / ".yamllint"))
    assert not list(yamllint.run(path.read_text(), rules))
    assert list(yamllint.run(path.read_text() + "x: 1\nx:  2\n", rules))


def validate(text):
    # The parser is behind the specification, which knows on-failure[:max-retries].
    text = re.sub(r"(restart: on-failure):\d+\b", r"\1", text)
    # YAML's own `<<` is resolved before: it asks only what the result may be.
    return PyCompose.from_json(json.dumps(yaml.safe_load(text)))


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=name)
def test_a_compose_file_keeps_to_the_compose_specification(path):
    assert validate(path.read_text()).service_names()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ports:", "port:"),
        ("interval: 10s", "interval: soon"),
        ('"127.0.0.1:8500:8500"', "8500-here"),
        ("restart: unless-stopped", "restart: sometimes"),
        ("start_period:", "startperiod:"),
        ("image: tensorflow/serving", "image: tensorflow serving"),
        ("platform: linux/amd64", "platform: linux/amd46/x/y"),
    ],
)
def test_a_slip_in_a_compose_file_would_be_seen(old, new):
    text = (FOLDER / "serving" / "compose.yaml").read_text()
    assert old in text
    with pytest.raises(ValueError):
        validate(text.replace(old, new))


def test_files_that_compose_mounts_are_there():
    for path in COMPOSE_FILES:
        for service in yaml.safe_load(path.read_text())["services"].values():
            for volume in service.get("volumes", ()):
                source = path.parent / volume.split(":")[0]
                # Folders of runs, data and models are the user's.
                folders = ("runs", "data", "models")
                assert source.is_file() or source.name in folders, source


def context():
    """What `docker build` sends of this folder: paths."""
    lines = (processes.ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    return set(exclude_paths(str(processes.ROOT), patterns))


def test_docker_is_sent_the_package_and_neither_runs_nor_data():
    sent = context()
    assert {"setup.py", "sagan_tf/train.py", "configs/digits.flags", SCRIPT} <= sent
    tops = {path.partition("/")[0] for path in sent}
    assert tops - {".dockerignore"} == {
        *("setup.py", "pyproject.toml", "README.md", "LICENSE"),
        *("sagan_tf", "configs", "docker"),
    }
    assert not [path for path in sent if "__pycache__" in path]


class Image:
    """Runs a Dockerfile's instructions in a folder, which stands for the image's /."""

    def __init__(self, root, dockerfile):
        self.root, self.folder = root, root
        self.environment = {"PATH": f"{root}/bin:{os.environ['PATH']}"}
        self.not_run = []
        # The base image's Python, and what pip would download to build with.
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
        (root / "tools").mkdir()
        source = pathlib.Path(setuptools.__file__).parent
        (root / "tools" / "setuptools").symlink_to(source)
        parser = dockerfile_parse.DockerfileParser(str(dockerfile))
        for each in parser.structure:
            if each["instruction"] not in ("COMMENT", "FROM"):
                step = getattr(self, each["instruction"].lower())
                step(self._here(each["value"]))

    def _here(self, text):
        return re.sub(r"(?<![\w.])/opt\b", f"{self.root}/opt", text)

    def env(self, value):
        names = dict(self.environment)
        for word in shlex.split(value):
            key, _, text = word.partition("=")
            for known, old in names.items():
                text = text.replace(f"${known}", old)
            self.environment[key] = text

    def workdir(self, value):
        self.folder = pathlib.Path(value)
        self.folder.mkdir(parents=True)

    def copy(self, value):
        *sources, target = value.split()
        sent = context()
        for source in sources:
            found = [p for p in sent if p == source or p.startswith(f"{source}/")]
            assert found, f"{source} is not sent to Docker: see .dockerignore"
            for path in found:
                if target.endswith("/"):
                    to = self.folder / target / path
                else:
                    to = self.folder / f"{target}{path.removeprefix(source)}"
                here = processes.ROOT / path
                if here.is_file():
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(here, to)

    def run(self, value, **environment):
        if value.startswith("apt-get"):
            self.not_run.append(value)
            return None
        offline = "pip install --no-deps --no-build-isolation --no-index --quiet"
        done = subprocess.run(
            value.replace("pip install", offline),
            shell=True,
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": f"{self.root}/tools", **environment},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def installed_files(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.mark.slow
def test_the_files_that_are_copied_suffice_for_the_image(tmp_path):
    image = Image(tmp_path, FOLDER / "train.Dockerfile")
    assert [re.findall(r"python3\S*", line) for line in image.not_run] == [
        ["python3", "python3-venv"]
    ]
    # Installed is what is in the package, with the files that are no modules.
    (installed,) = (tmp_path / "opt" / "venv").glob("lib/*/site-packages/sagan_tf")
    assert installed_files(installed) == installed_files(processes.ROOT / "sagan_tf")
    where = image.run("cd / && python -c 'import sagan_tf; print(sagan_tf.__file__)'")
    assert where.strip() == str(installed / "__init__.py")
    # The requirements, which the image downloads, are those of this environment.
    libraries = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if "packages" in p)}
    text = (FOLDER / "train.Dockerfile").read_text()
    (call,) = re.findall(r"(?<=^#     )python3 -m .*$", text, re.MULTILINE)
    call = call.replace("/runs", f"{tmp_path}/runs")
    assert "--workdir" in call
    output = image.run(f"{call} --dry_run", CUDA_VISIBLE_DEVICES="-1", **libraries)
    assert "generator" in output
    assert "--flagfile" in image.run(f"{SCRIPT} --help", WORKDIR="/runs", **libraries)
