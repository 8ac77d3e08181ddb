"""The bar of long work, and what is not shown."""

import io
import logging

import pytest

from sagan_tf.progress import progress_bar, without_notices


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


def test_notices_are_kept_back_for_a_while(caplog):
    logger = logging.getLogger("tensorflow")
    with without_notices():
        logger.warning("not this")
    logger.warning("this")
    assert [record.message for record in caplog.records] == ["this"]
