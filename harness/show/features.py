"""Pages of the feature matrix: none yet."""

from collections.abc import Iterator

from rich.console import RenderableType

from harness.show.study_command import StudySide
from harness.show.study_page import Page


def feature_pages(_side: StudySide) -> Iterator[Page]:
    """Nothing."""
    yield from ()


def feature_notes(_side: StudySide) -> Iterator[RenderableType]:
    """Nothing."""
    yield from ()
