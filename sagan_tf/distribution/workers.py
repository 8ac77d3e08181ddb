"""The processes (*workers*) that train one model together, and what they agree upon.

Each runs the same program on its share of every batch. Worker 0 is the *chief*: it
alone writes files. Under `MultiWorkerMirroredStrategy` an operation that all workers do
together waits for the last of them; so whatever decides what is done next (stopping,
where to start) has to be the same on all, and goes through `Workers.gather`.
"""

import re

import numpy as np
import tensorflow as tf

# What an operation ends in when another worker is gone: its connection is closed, it
# restarted, or it has given no sign of life for `worker_timeout_seconds`.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
)
_ABORTED = "Collective ops is aborted by:"


class Workers:
    """This worker among all of them.

    Args:
        index: int, number of this worker.
        count: int, number of workers.
        strategy: `tf.distribute.MultiWorkerMirroredStrategy` if there are several.

    Attributes:
        index, count: see above.
        is_chief: bool, whether this is worker 0, which writes.
    """

    def __init__(self, index=0, count=1, strategy=None):
        self.index = index
        self.count = count
        self.is_chief = index == 0
        self._strategy = strategy

    @classmethod
    def of(cls, strategy):
        """The workers of any `tf.distribute.Strategy`; mostly there is only one."""
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return cls()
        resolver = strategy.cluster_resolver
        cluster = resolver.cluster_spec().as_dict()
        if not cluster:
            return cls()
        chiefs, others = (len(cluster.get(job, ())) for job in ("chief", "worker"))
        first = chiefs if resolver.task_type == "worker" else 0
        return cls(first + resolver.task_id, chiefs + others, strategy)

    def __str__(self):
        return f"worker {self.index} of {self.count}"

    def gather(self, *numbers):
        """Tells all workers this one's numbers. All of them have to call it.

        Args:
            numbers: ints or floats, of which float64 keeps every digit.

        Returns:
            List of tuples of float, one a worker, the same on all of them.

        Raises:
            tf.errors.OpError: a worker is gone, see `loss`.
        """
        if self.count == 1:
            return [tuple(map(float, numbers))]
        table = np.zeros((self.count, len(numbers)))
        table[self.index] = numbers
        whole = self._strategy.reduce(
            tf.distribute.ReduceOp.SUM, tf.constant(table, tf.float64), axis=None
        )
        return [tuple(row) for row in whole.numpy().tolist()]

    def wait(self):
        """Waits until all workers are here. All of them have to call it."""
        self.gather(0)

    def loss(self, error):
        """The sentence about a worker that is gone, if that is what an error means.

        Args:
            error: `tf.errors.OpError`.

        Returns:
            str, or `None` for any other error.
        """
        message = error.message or ""
        known = isinstance(error, _LOST) or _ABORTED in message
        if self.count == 1 or not known:
            return None
        reason = message.split(_ABORTED)[-1].strip()
        lost = set(re.findall(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)", reason))
        name = " ".join(lost.pop()).capitalize() if len(lost) == 1 else "Another worker"
        received = reason.splitlines()[0] if reason else type(error).__name__
        return (
            f"{name} is gone, so {self} stops. Received: {received} Try starting all "
            "workers again with the same command: they go on from the last checkpoint."
        )
