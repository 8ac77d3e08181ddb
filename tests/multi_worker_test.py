"""Two worker processes over loopback: the same numbers, stops, losses and restarts.

The processes run `multi_worker_parts.py`, and whole runs by `docker/train_worker.sh`,
the script that containers start.
"""

import json
import signal
import sys

import multi_worker_parts as parts
import numpy as np
import processes
import pytest
import tiny

from sagan_tf.run.checkpoints import Checkpoints

pytestmark = pytest.mark.slow

SCRIPT = processes.ROOT / "docker" / "train_worker.sh"
# What is not needed to tell workers apart is left out: it takes long to trace.
LIGHT = {
    "attention_resolution": "none",
    "spectral_norm": "discriminator",
    "ema_decay": "none",
    # On a busy machine a process may be held up for long.
    "worker_timeout_seconds": 300,
}
STEPS = tiny.FLAGS["total_steps"]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What two workers report about the parts of a training, and their variables."""
    folder = tmp_path_factory.mktemp("parts")
    program = processes.ROOT / "tests" / "multi_worker_parts.py"
    with processes.two_workers(folder, sys.executable, program, folder) as workers:
        assert processes.wait(workers) == [0, 0], workers[0].errors + workers[1].errors
    reports = [json.loads((folder / f"worker_{i}.json").read_text()) for i in range(2)]
    for i, report in enumerate(reports):
        with np.load(folder / f"worker_{i}.npz") as state:
            report["state"] = dict(state)
    return reports


@pytest.fixture(scope="module")
def single():
    """The same training on one replica, with the batches of both workers together."""
    model = parts.make_model()
    logs = parts.fit(model, parts.batches(1, 0), parts.STEPS)
    return parts.state(model), logs


def test_workers_know_one_another(seen):
    assert [report["index"] for report in seen] == [0, 1]
    assert [report["replicas"] for report in seen] == [2, 2]
    for report in seen:
        assert report["gathered"] == [[0.5, 2**32 - 1], [1.5, 2**32 - 1]]


def test_plain_keras_fails_in_the_two_places_that_the_model_mends(seen):
    """If this fails, Keras has been mended, and `MultiWorkerFit` can go."""
    for report in seen:
        building, reducing = report["plain_keras"]
        assert "PerReplica" in building
        assert "Invalid reduction dimension 0" in reducing


def test_two_workers_make_the_same_updates_as_one_replica(seen, single):
    state, logs = single
    for report in seen:
        assert set(report["state"]) == set(state)
        for name, value in state.items():
            theirs = report["state"][name]
            np.testing.assert_allclose(theirs, value, 1e-5, 1e-5, err_msg=name)
        assert report["logs"] == pytest.approx(logs, rel=1e-4, abs=1e-5)


def test_u_statistics_averages_and_optimizers_are_equal_on_both_workers(seen):
    one, other = (report["state"] for report in seen)
    names = {name.split("/")[0] for name in one}
    assert names >= {"generator", "ema_generator", "generator_optimizer"}
    ends = {name.split("/")[-1] for name in one}
    assert {"u", "moving_mean", "moving_variance", "kernel"} <= ends
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_the_chief_saves_and_all_restore(seen):
    for report in seen:
        assert report["keeping"] == {
            "start": parts.STEPS,
            "not_restored": [],
            # Saving these would take all workers.
            "summed_when_read": [],
        }


def test_a_signal_to_one_worker_stops_all_after_the_same_step(seen):
    for report in seen:
        assert report["stopping"]["signal"] == "SIGTERM"
        assert report["stopping"]["signal_step"] == 4


def test_a_loss_that_is_nan_on_one_worker_stops_all(seen):
    for report in seen:
        assert report["stopping"]["nan_step"] == 5
        assert report["stopping"]["reason"] == (
            "An image, a loss or a weight is NaN or infinite at step 5."
        )


def test_other_settings_and_folders_that_are_not_shared_are_named(seen):
    for index, report in enumerate(seen):
        settings = report["disagreeing"]["settings"]
        assert f"Received: seed={index} on worker {index} of 2" in settings
    chief, other = (report["disagreeing"]["folder"] for report in seen)
    assert chief is None
    assert "worker 1 of 2 does not see" in other
    assert "b1/samples" in other


def train(folder, workdir, **changes):
    """Starts two workers with the script of the containers."""
    flagfile = folder / "tiny.flags"
    folder.mkdir(parents=True, exist_ok=True)
    flags = {**tiny.FLAGS, **LIGHT, **changes}
    flagfile.write_text("".join(f"--{k}={v}\n" for k, v in flags.items()))
    return processes.two_workers(
        folder,
        SCRIPT,
        PYTHON=sys.executable,
        WORKDIR=workdir,
        FLAGFILE=flagfile,
        TF_CPP_MIN_LOG_LEVEL="3",  # What the command sets, if nothing else does.
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The directory of a run of two workers that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with train(folder, folder / "run") as workers:
        assert processes.wait(workers) == [0, 0], workers[0].errors + workers[1].errors
    # The chief alone reports.
    assert "Step 24 is saved" in workers[0].output
    assert workers[1].output == ""
    return folder / "run"


def metrics(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k not in tiny.TIMES}
        for line in lines
    ]


def files(workdir):
    return sorted(
        path.relative_to(workdir).as_posix()
        for path in workdir.rglob("*")
        if "tensorboard" not in path.parts and path.is_file()
    )


def stop_by_signal(folder, workdir):
    """SIGTERM to worker 1 while the run is young; returns the step that is saved."""
    with train(folder, workdir) as workers:
        processes.wait_for_lines(workdir / "metrics.jsonl", 1, workers)
        workers[1].process.send_signal(signal.SIGTERM)
        assert processes.wait(workers) == [3, 3]
    for worker in workers:
        assert "Stopped by SIGTERM" in worker.output
    return Checkpoints(workdir / "checkpoints").steps()[-1]


def lose_a_worker(folder, workdir):
    """SIGKILL to worker 1 later on; returns the lines that the chief complains in."""
    lines = len(metrics(workdir)) + 2
    with train(folder, workdir, worker_timeout_seconds=15) as workers:
        processes.wait_for_lines(workdir / "metrics.jsonl", lines, workers)
        workers[1].process.kill()
        assert processes.wait(workers, 60) == [5, -signal.SIGKILL]
    return workers[0].errors.splitlines()


def test_stopped_and_lost_workers_go_on_to_the_same_weights(undisturbed, tmp_path):
    workdir = tmp_path / "run"
    step = stop_by_signal(tmp_path / "first", workdir)
    assert 2 <= step < STEPS
    connecting, going_on, error = lose_a_worker(tmp_path / "second", workdir)
    assert connecting.startswith("Connecting worker 0 of 127.0.0.1")
    assert going_on.startswith(f"Resuming from step {step}")
    assert error.startswith("error: Worker 1 is gone, so worker 0 of 2 stops.")
    assert error.endswith("they resume at the last checkpoint.")
    with train(tmp_path / "third", workdir) as workers:
        assert processes.wait(workers) == [0, 0], workers[0].errors + workers[1].errors
    tiny.assert_same_weights(undisturbed, workdir, STEPS)
    # The line of an interval that a signal cut short is a mean over its rest.
    same = [m for m in metrics(undisturbed) if step % 2 == 0 or m["step"] != step + 1]
    assert [m for m in metrics(workdir) if m in same] == same
    assert files(workdir) == files(undisturbed)
