"""The fake engine, as a fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.measure.fake_engine import FakeEngine, end_for_certain, make_fake_engine


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeEngine]:
    """A fake engine in a workspace of its own; a test that fails leaves none of its processes behind either."""
    fake = make_fake_engine(tmp_path)
    yield fake
    end_for_certain([entry["pid"] for entry in fake.journal("hanging")])
