"""What a figure of one quantity against a size draws: a side's cases as points in order of x, and their line."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.analyse.dataset import MEASURED, CaseData, Side
from harness.analyse.part_means import MeanPart, mean_parts
from harness.analyse.regression import Fit, fit
from harness.analyse.stats import Summary, summarise
from harness.errors import HarnessError
from harness.spec.figure import Axis, Figure, Shows

SPANS, LOG = "spans", "log"


@dataclass(frozen=True)
class Point:
    """One case. ``seconds``: over its measured starts. ``label`` tells apart what is drawn beside it."""

    model: str
    label: str
    x: float
    seconds: Summary
    by: str  # spans, log, or "spans and log"
    twin: bool
    outside_fit: bool  # drawn, but declared to be no part of the line
    outlier: bool  # part of the line, but not explained by it
    parts: tuple[MeanPart, ...] = ()  # of the quantity, where the starts' spans state some


@dataclass(frozen=True)
class Series:
    """One side's points in ascending x. ``line`` is None where there are too few, or they do not differ."""

    side: Side
    quantity: str
    axis: Axis
    points: tuple[Point, ...]
    line: Fit | None
    without_value: tuple[str, ...]  # declared models of which no measured start of this side states the quantity
    without_x: tuple[str, ...]  # models with the quantity but without the size that it is drawn against


def series_of(figure: Figure, side: Side) -> Series:
    """The side's points. The paper's are those of the figure's declared models; own ones are whatever was measured.

    Raises:
        HarnessError: the figure's declaration does not say what to draw against what.
    """
    shows, axis = _shown(figure, side)
    cases = [case for case in side.cases if side.whose != "paper" or case.model in figure.models]
    told = [
        (case, summary) for case in cases if (summary := summarise(case.values(shows.quantity, source=shows.source)))
    ]
    drawn = sorted(
        ((case.facts[axis], case, summary) for case, summary in told if axis in case.facts),
        key=lambda found: (found[0], found[1].model, found[2].mean),
    )
    labels = _labels([(case, x) for x, case, _ in drawn])
    line = fit(
        [
            (label, x, summary.mean)
            for (x, case, summary), label in zip(drawn, labels, strict=True)
            if case.model not in shows.outside_fit
        ]
    )
    points = tuple(
        Point(
            model=case.model,
            label=label,
            x=x,
            seconds=summary,
            by=" and ".join(sorted(sources(case, shows), reverse=True)),
            twin=case.twin,
            outside_fit=case.model in shows.outside_fit,
            outlier=bool(line and label in line.outliers),
            parts=mean_parts(case, shows.quantity),
        )
        for (x, case, summary), label in zip(drawn, labels, strict=True)
    )
    with_value = {case.model for case, _ in told}
    return Series(
        side,
        shows.quantity,
        axis,
        points,
        line,
        without_value=tuple(model for model in figure.models if model not in with_value),
        without_x=_once(case.model for case, _ in told if axis not in case.facts),
    )


def sources(case: CaseData, shows: Shows) -> set[str]:
    """Where the values of the case's measured starts come from: SPANS, LOG, both, or nothing."""
    found = set()
    for repeat in case.repeats:
        if repeat.kind == MEASURED and repeat.value(shows.quantity, shows.source) is not None:
            found.add(LOG if replace(repeat, log={}).value(shows.quantity, shows.source) is None else SPANS)
    return found


def _shown(figure: Figure, side: Side) -> tuple[Shows, Axis]:
    shows = figure.shows
    axis = (shows.paper_x if side.whose == "paper" and shows.paper_x else shows.x) if shows else None
    if shows is None or axis is None:
        raise HarnessError(
            f"figures/figure-{figure.figure}/figure.yaml: 'shows' must name quantity and x for this drawing"
        )
    return shows, axis


def _labels(cases: list[tuple[CaseData, float]]) -> list[str]:
    """Names of the bars, all different: the model; its x, where cases differ by that; a number, where by neither."""
    models = [case.model for case, _ in cases]
    several = len(set(models)) > 1
    labels: list[str] = []
    for model, (_, x) in zip(models, cases, strict=True):
        label = model if models.count(model) == 1 else f"{model}, {x:g}" if several else f"{x:g}"
        again = sum(taken == label or taken.startswith(f"{label} #") for taken in labels)
        labels.append(f"{label} #{again + 1}" if again else label)
    return labels


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
