"""The routing figure, a set of pages for each label of each slot.

1  what a client sees: distributions of TTFT and TPOT, and their means
2  why: the parts of TTFT, hit rates, imbalance, and prefill saved against queueing lost
3  the replicas' load and the hit rate over time; left out if no replica was sampled
4  the same routers without a model; left out if nothing was simulated
"""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure
from rich.console import RenderableType

from harness.analyse.routing_series import Labelled, labelled, labels_of
from harness.analyse.routing_series_time import shown_repeat
from harness.errors import HarnessError
from harness.record.routing_tables import COLD, ROUTING_TABLES, STUDY
from harness.record.study_slot import StudySlot
from harness.show import routing_text as text
from harness.show.routing_latency import latency_bands
from harness.show.routing_looks import strategy_key
from harness.show.routing_over_time import time_bands
from harness.show.routing_print import summary
from harness.show.routing_simulated import simulated_bands
from harness.show.routing_why import why_bands
from harness.show.study_command import StudyPlot, StudySide
from harness.show.study_page import Page
from harness.show.style import style

_LONGEST = 50  # characters of a label in a title


def draw(sides: Sequence[StudySide]) -> tuple[list[Figure], list[RenderableType]]:
    """The pages, and what is printed with them.

    Raises:
        HarnessError: a slot has nothing to draw.
    """
    figures: list[Figure] = []
    notes: list[RenderableType] = []
    for side in sides:
        drawn = len(figures)
        for label in labels_of(side.slot):
            data = labelled(side.slot, label)
            with style():
                figures += [page.draw() for page in pages(side, data)]
            notes += summary(side.slot, data)
        if len(figures) == drawn:
            raise HarnessError(
                f"slot {side.slot.manifest['slot']}: no run ended well and nothing was simulated; bash run_figure.sh "
                "routing makes runs"
            )
    return figures, notes


def pages(side: StudySide, data: Labelled) -> Iterator[Page]:
    """The label's pages in order."""
    key, alarm = strategy_key(data.strategies), text.alarm(data)
    name = data.label if len(data.label) <= _LONGEST else f"{data.label[: _LONGEST - 1]}…"
    if data.phases:
        title = f"Routing ({name}): what a client sees"
        yield Page(title, latency_bands(data), text.latency_caption(side, data), key, alarm)
        yield Page(f"Routing ({name}): why", why_bands(data), text.why_caption(side, data), key, alarm)
    repeat = shown_repeat(data, COLD)
    if repeat is not None:
        title = f"Routing ({name}): over time"
        yield Page(title, time_bands(data, repeat), text.time_caption(side, data, repeat), key, alarm)
    if bands := simulated_bands(data):
        yield Page(f"Routing ({name}): simulated", bands, text.simulated_caption(side, data), key, alarm)


def choose(sides: Sequence[StudySide], labels: Sequence[str]) -> list[StudySide]:
    """The sides with only these labels, without those that have none of them.

    Raises:
        HarnessError: no side has one of the labels.
    """
    known = list(dict.fromkeys(label for side in sides for label in labels_of(side.slot)))
    if unknown := next((label for label in labels if label not in known), None):
        raise HarnessError(f"--chosen: no label {unknown!r} here; there is {', '.join(known) or 'none'}")
    return [
        StudySide(chosen, side.whose, side.node)
        for side in sides
        if labels_of(chosen := _with_labels(side.slot, labels))
    ]


def _with_labels(slot: StudySlot, labels: Sequence[str]) -> StudySlot:
    """Rows of other labels are left out of the tables that name one; the others' rows belong to runs."""
    tables = dict(slot.tables)
    for table in ROUTING_TABLES:
        if "label" in table.columns:
            at = list(table.columns).index("label")
            tables[table.name] = [row for row in slot.tables[table.name] if row[at] in labels]
    return StudySlot(slot.manifest, tables)


PLOT = StudyPlot("routing", STUDY, ROUTING_TABLES, draw, choose)
