"""Each test of the tracer runs once per supported Python on this machine."""

from pathlib import Path

import pytest

from tests.tracer.world import World, pythons


@pytest.fixture(params=sorted(pythons()))
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter."""
    return pythons()[request.param]


@pytest.fixture
def world(tmp_path: Path, python: str) -> World:
    """An empty world: the tracer is there, no hooks yet."""
    return World(tmp_path, python)
