"""The callback that writes what a run is."""

from sagan_tf.training.callbacks.step_callback import StepCallback


class RunDescription(StepCallback):
    """Describes a run in its directory after the first step, before anything is saved.

    Not sooner: a start that fails, for lack of memory perhaps, thus leaves a directory
    that the corrected command can use.

    Args:
        describe: function of nothing.
    """

    def __init__(self, describe):
        super().__init__(every=1)
        self._describe = describe
        self._is_described = False

    def at_step(self, step, logs):
        if not self._is_described:
            self._describe()
            self._is_described = True
