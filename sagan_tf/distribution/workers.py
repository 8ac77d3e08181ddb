"""The processes (*workers*) that train one model together, and how they agree.

Each worker runs the same program on its share of every batch. Only worker 0, the
*chief*, writes files. Under `MultiWorkerMirroredStrategy` a collective operation waits
for all workers. All must therefore decide alike when to stop and where to start, so
these decisions go through `Workers.gather`.
"""

import re

import numpy as np
import tensorflow as tf

# The errors of an operation when another worker is gone: its connection is closed, it
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
        index: int, number of this worker. Worker 0 writes, and its `is_chief` is True.
        count: int, number of workers.
        strategy: `tf.distribute.MultiWorkerMirroredStrategy` if there are several.
    """

    def __init__(self, index=0, count=1, strategy=None):
        self.index, self.count, self._strategy = index, count, strategy
        self.is_chief = index == 0

    @classmethod
    def of(cls, strategy):
        """Returns the workers of any `tf.distribute.Strategy`."""
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
        """Exchanges numbers between all workers, which all have to call it.

        Args:
            numbers: ints or floats that float64 represents exactly.

        Returns:
            List of tuples of float, one for each worker, the same on all workers.

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
        """Waits until all workers have called it."""
        self.gather(0)

    def loss(self, error):
        """Returns a sentence about a worker that is gone, if that caused an error.

        Args:
            error: `tf.errors.OpError`.

        Returns:
            str, or `None` for any other error.
        """
        message = error.message or ""
        if self.count == 1 or not (isinstance(error, _LOST) or _ABORTED in message):
            return None
        reason = message.split(_ABORTED)[-1].strip()
        lost = set(re.findall(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)", reason))
        name = " ".join(lost.pop()).capitalize() if len(lost) == 1 else "Another worker"
        received = reason.splitlines()[0] if reason else type(error).__name__
        return (
            f"{name} is gone, so {self} stops. Received: {received} Try starting all "
            "workers again with the same command: they resume at the last checkpoint."
        )
