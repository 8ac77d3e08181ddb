"""Workers: who is who, and what the loss of one looks like."""

import pytest
import tensorflow as tf

from sagan_tf.distribution.workers import Workers


def test_without_several_workers_there_is_a_chief_who_talks_to_himself(two_replicas):
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        workers = Workers.of(strategy)
        assert (workers.index, workers.count, workers.is_chief) == (0, 1, True)
        assert workers.gather(3, 0.5) == [(3.0, 0.5)]
        workers.wait()


def cluster_of(cluster, job, index):
    """A strategy that only knows its cluster: a real one would wait for the others."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster), task_type=job, task_id=index
    )
    kind = tf.distribute.MultiWorkerMirroredStrategy
    return type("Known", (kind,), {"__init__": lambda self: None}), resolver


@pytest.mark.parametrize(
    ("cluster", "job", "index", "expected"),
    [
        ({"worker": ["a:1", "b:1"]}, "worker", 0, (0, 2)),
        ({"worker": ["a:1", "b:1"]}, "worker", 1, (1, 2)),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "chief", 0, (0, 3)),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "worker", 1, (2, 3)),
    ],
)
def test_workers_are_numbered_through(cluster, job, index, expected, monkeypatch):
    kind, resolver = cluster_of(cluster, job, index)
    monkeypatch.setattr(kind, "cluster_resolver", resolver)
    workers = Workers.of(kind())
    assert (workers.index, workers.count) == expected
    assert workers.is_chief == (expected[0] == 0)


def error(kind, message):
    return kind(None, None, message)


# As TensorFlow 2.21 worded them when a worker was killed, frozen or had ended.
KILLED = error(
    tf.errors.UnavailableError,
    "{{function_node __wrapped__CollectiveReduceV2_device_/job:worker/replica:0/task:0/"
    "device:CPU:0}} Collective ops is aborted by: Error reported from "
    "/job:worker/task:1: The following tasks are unhealthy (stopped sending "
    "heartbeats):\n/job:worker/replica:0/task:1\nThe tasks have crashed.",
)
CLOSED = error(
    tf.errors.UnavailableError,
    "Collective ops is aborted by: Socket closed\nAdditional GRPC error information "
    "from remote target /job:worker/replica:0/task:0 while calling RecvBuf:",
)
FROZEN = error(
    tf.errors.DeadlineExceededError,
    "Collective ops is aborted by: Deadline Exceeded\n\nRPC: Heartbeat",
)


@pytest.mark.parametrize(
    ("cause", "index", "start", "received"),
    [
        (KILLED, 0, "Worker 1 is gone, so worker 0 of 2 stops.", "heartbeats"),
        (CLOSED, 1, "Worker 0 is gone, so worker 1 of 2 stops.", "Socket closed"),
        (FROZEN, 1, "Another worker is gone, so worker 1 of 2", "Deadline Exceeded"),
        (error(tf.errors.AbortedError, ""), 0, "Another worker", "AbortedError"),
    ],
    ids=["killed", "closed", "frozen", "silent"],
)
def test_a_loss_is_one_line_that_names_the_worker(cause, index, start, received):
    line = Workers(index, 2).loss(cause)
    assert line.startswith(start)
    assert received in line.split("Received: ")[1]
    assert line.endswith("resume at the last checkpoint.")
    assert "\n" not in line


def test_other_errors_are_no_loss():
    full = error(tf.errors.ResourceExhaustedError, "OOM when allocating tensor")
    assert Workers(0, 2).loss(full) is None
    assert Workers(0, 1).loss(KILLED) is None
