"""Fixtures for the hostile inputs."""

import types

import pytest

from sagan_tf.settings import command


@pytest.fixture
def nothing_is_loaded(monkeypatch):
    """Fails if a command loads a module such as TensorFlow."""

    def load(name):
        raise AssertionError(f"{name} is loaded")

    stand_in = types.SimpleNamespace(import_module=load)
    monkeypatch.setattr(command, "importlib", stand_in)
