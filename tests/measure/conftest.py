"""The fake engine, as a fixture."""

from pathlib import Path

import pytest

from tests.measure.fake_engine import FakeEngine, make_fake_engine


@pytest.fixture
def fake(tmp_path: Path) -> FakeEngine:
    """A fake engine in a workspace of its own."""
    return make_fake_engine(tmp_path)
