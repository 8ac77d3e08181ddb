"""Two worker processes on this machine's loopback, which never outlive a test."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).parent.parent


@dataclasses.dataclass
class Worker:
    """A running worker, which writes its output to files."""

    process: subprocess.Popen
    stdout: pathlib.Path
    stderr: pathlib.Path

    @property
    def output(self):
        return self.stdout.read_text()

    @property
    def errors(self):
        return self.stderr.read_text()


def free_addresses(count):
    """Returns addresses on the loopback on which no process listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def tf_config(addresses, index):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


@contextlib.contextmanager
def two_workers(folder, *command, **environment):
    """Starts a command twice, each with a TF_CONFIG; kills the rest at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    addresses = free_addresses(2)
    workers = []
    try:
        for index in range(2):
            stdout, stderr = (folder / f"{name}{index}.txt" for name in ("out", "err"))
            variables = {
                **os.environ,
                "CUDA_VISIBLE_DEVICES": "-1",
                "TF_CONFIG": tf_config(addresses, index),
                **{name: str(value) for name, value in environment.items()},
            }
            with open(stdout, "w") as out, open(stderr, "w") as err:
                process = subprocess.Popen(
                    [str(part) for part in command],
                    cwd=ROOT,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            workers.append(Worker(process, stdout, stderr))
        yield workers
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()


def wait(workers, seconds=300):
    """Waits for all workers; returns their exit statuses."""
    deadline = time.monotonic() + seconds
    try:
        return [
            each.process.wait(max(0, deadline - time.monotonic())) for each in workers
        ]
    except subprocess.TimeoutExpired:
        text = "\n".join(f"{each.output}\n{each.errors}" for each in workers)
        raise AssertionError(f"not ended after {seconds} seconds:\n{text}") from None


def wait_for_lines(path, count, workers, seconds=300):
    """Waits until a file has `count` lines."""
    deadline = time.monotonic() + seconds
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        ended = [each for each in workers if each.process.poll() is not None]
        assert not ended, f"ended too early:\n{ended[0].output}\n{ended[0].errors}"
        assert time.monotonic() < deadline, f"{path} has fewer than {count} lines"
        time.sleep(0.005)
