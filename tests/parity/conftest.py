"""Fixtures of the parity tests: dtype, recorded configuration, precision record."""

import json
import os

import keras
import numpy as np
import pytest

from tests.parity.golden import CONFIGURATIONS, dtype_scope, recording

_deviations = {}


@pytest.fixture(params=["float64", "float32"])
def floatx(request):
    """Runs a test in float64 and float32: sets Keras' global dtype."""
    with dtype_scope(request.param):
        yield request.param


@pytest.fixture
def float64():
    """Runs a test in float64."""
    with dtype_scope("float64"):
        yield "float64"


@pytest.fixture(params=CONFIGURATIONS)
def golden(request):
    """Each recorded configuration."""
    return recording(request.param)


@pytest.fixture
def deviation(request):
    """Returns a check that also notes the deviation for docs/precision.md.

    `deviation(quantity, ours, recorded, tolerance, scale=1)`: the largest of
    |ours - recorded| / scale must be within the tolerance.
    """

    def compare(quantity, ours, recorded, tolerance, scale=1.0, where=""):
        ours, recorded = np.asarray(ours, np.float64), np.asarray(recorded, np.float64)
        assert np.all(np.isfinite(ours)), f"{quantity}: not finite {where}"
        worst = float(np.max(np.abs(ours - recorded.reshape(ours.shape)) / scale))
        key = (quantity, keras.config.floatx())
        seen = _deviations.get(key, (0.0, 0.0))
        _deviations[key] = (max(seen[0], worst), max(seen[1], tolerance))
        assert worst <= tolerance, f"{quantity} {where}: off by {worst:.3g}"

    return compare


def pytest_sessionfinish():
    """Writes the measured deviations, if the precision table asks for them."""
    path = os.environ.get("SAGAN_PRECISION_FILE")
    if path:
        rows = [[*key, *numbers] for key, numbers in sorted(_deviations.items())]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file)
