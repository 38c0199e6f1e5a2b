"""The anatomy figure: pages of each case of each slot, then those of the feature matrix.

1  shares against concurrency by both definitions
2  stages within each process, and how well the tracer saw it
3  a few engine steps in all processes; left out if no step was seen whole
4  TTFT and TPOT in parts
"""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from rich.console import RenderableType

from harness.analyse.anatomy_series import CaseSplit, case_split, cases_of
from harness.errors import HarnessError
from harness.record.anatomy_tables import ANATOMY_TABLES, STUDY
from harness.show import anatomy_text as text
from harness.show.anatomy_looks import part_key
from harness.show.anatomy_print import split_summary
from harness.show.anatomy_requests_view import request_bands
from harness.show.anatomy_shares import concurrency_key, share_bands, stage_bands
from harness.show.anatomy_timeline_view import SHOWN, timeline_bands
from harness.show.features import feature_notes, feature_pages
from harness.show.study_command import StudyPlot, StudySide
from harness.show.study_page import Page
from harness.show.style import style

_LONGEST = 60  # characters of a case in a title


def draw(sides: Sequence[StudySide]) -> tuple[list[Figure], list[RenderableType]]:
    """The pages, and what is printed with them.

    Raises:
        HarnessError: a slot has nothing to draw.
    """
    figures: list[Figure] = []
    notes: list[RenderableType] = []
    for side in sides:
        drawn = len(figures)
        with style():
            for case in cases_of(side.slot):
                data = case_split(side.slot, case)
                figures += [page.draw() for page in split_pages(side, data)]
                notes += split_summary(data)
            figures += [page.draw() for page in feature_pages(side)]
        notes += feature_notes(side)
        if len(figures) == drawn:
            raise HarnessError(
                f"slot {side.slot.manifest['slot']}: no run ended well and no feature was tried; bash run_figure.sh "
                "anatomy makes runs"
            )
    return figures, notes


def split_pages(side: StudySide, data: CaseSplit) -> Iterator[Page]:
    """The case's pages in order; none if no run ended ok."""
    if not data.concurrencies:
        return
    name = data.case if len(data.case) <= _LONGEST else f"{data.case[: _LONGEST - 1]}…"
    alarm = text.alarm(data)
    yield Page(f"Anatomy ({name}): where the time goes", share_bands(data), text.share_caption(side, data), (), alarm)
    key = concurrency_key(data)
    yield Page(f"Anatomy ({name}): stages", stage_bands(data), text.stage_caption(side, data), key, alarm)
    if bands := timeline_bands(data):
        caption = text.timeline_caption(side, data)
        yield Page(f"Anatomy ({name}): a few steps", bands, caption, part_key(SHOWN), alarm)
    yield Page(f"Anatomy ({name}): a request", request_bands(data), text.request_caption(side, data), (), alarm)


PLOT = StudyPlot("anatomy", STUDY, ANATOMY_TABLES, draw)
