"""The callback that describes a run in its directory."""

from sagan_tf.training.callbacks.step_callback import StepCallback


class RunDescription(StepCallback):
    """Describes a run in its directory after the first step, before anything is saved.

    It does not do so earlier, because a start may fail, perhaps for lack of memory. The
    corrected command can then still use the directory.

    Args:
        describe: function without arguments.
    """

    def __init__(self, describe):
        super().__init__(every=1)
        self._describe = describe
        self._is_described = False

    def at_step(self, step, logs):
        if not self._is_described:
            self._describe()
            self._is_described = True
