"""The bar of long work."""

import io

import pytest

from sagan_tf.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("terminal", "shown"), [(Terminal(), True), (io.StringIO(), False)]
)
def test_a_bar_is_shown_on_a_terminal_alone(monkeypatch, terminal, shown):
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_bar("Reading images", 3, delay=0) as bar:
        bar.update(2)
        bar.refresh()
    assert ("Reading images" in terminal.getvalue()) is shown
