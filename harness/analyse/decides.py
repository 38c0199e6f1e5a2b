"""Which starts decide a claim: of each estimate what one point is, how many it needs, and which it must have.

The numbers are those below which the estimators (``harness.analyse.estimators``) refuse to say anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.analyse.claimed_starts import LEAST_POINTS, settings_of
from harness.analyse.deciding import Needs, Point, Start
from harness.analyse.predictor import SET_ASIDE, VALIDATION
from harness.spec import estimates as how
from harness.spec.estimates import Estimate, Starts
from harness.spec.figure import Axis, Figure

LEAST_STEPS = 3  # points of something that rises
LEAST_REPEATS = 2  # of a spread over them
_PREDICTED_BY: tuple[Axis, ...] = ("size_b", "graph_kb", "tokenizer_mb")  # the lines of the paper's predictor


@dataclass(frozen=True)
class Plannable:
    """The starts of a call (to be made), and those of other slots (measured). ``figures``: all that are declared."""

    figures: Mapping[str, Figure]
    starts: Sequence[Start]

    def find(self, number: str, wanted: Starts) -> "_Found":
        """Those that ``wanted`` names, as ``claimed_starts.find`` would find them."""
        number = wanted.figure or number
        figure = self.figures[number]
        mine = [start for start in self.starts if start.figure == number and start.model in figure.models]
        slots = {start.slot for start in mine}
        slot = wanted.slot or next((name for name in figure.slots if name in slots), figure.slots[0])
        there = tuple(
            start
            for start in mine
            if start.slot == slot
            and wanted.version in (None, start.version)
            and wanted.load_format in (None, start.load_format)
        )
        # The other slot of a figure of this call can be measured after it.
        later = not there and slot not in slots and any(start.key for start in mine)
        return _Found(figure, there, (number, slot) if later else None)


@dataclass(frozen=True)
class _Found:
    figure: Figure
    starts: tuple[Start, ...]
    later: tuple[str, str] | None = None  # the slot that they would be in

    @property
    def outside(self) -> tuple[str, ...]:
        """The models that the figure leaves out of its line."""
        return self.figure.shows.outside_fit if self.figure.shows else ()

    @property
    def inside(self) -> tuple[str, ...]:
        """The others of its models."""
        return tuple(model for model in self.figure.models if model not in self.outside)

    def of(self, models: Iterable[str]) -> tuple[Start, ...]:
        """The starts of these models."""
        return tuple(start for start in self.starts if start.model in models)


def needs_of(estimate: Estimate, number: str, plannable: Plannable) -> Needs | None:
    """What of these starts decides a claim about figure ``number``; None if all of them do not."""
    needs = _needs(estimate, number, plannable)
    return needs if needs and needs.points and needs.enough(needs.points) else None


def _needs(estimate: Estimate, number: str, plannable: Plannable) -> Needs | None:
    if isinstance(estimate, how.RepeatSpread):
        return _spread_over_repeats(estimate, number, plannable)
    own = plannable.find(number, Starts())
    match estimate:
        case how.Total() | how.CoreUse() | how.Order(over=None):
            return Needs(_points(own.starts), 1, 1) if len(own.starts) == 1 else None
        case how.Share() | how.Spread():
            found = plannable.find(number, estimate.starts)
            return _some(estimate, found.starts, len(found.figure.models))
        case how.Line():
            return _line(estimate, plannable.find(number, estimate.starts))
        case how.AboveLine():
            must = own.of(own.outside)
            if len(must) < len(own.outside):
                return None
            return _some(estimate, own.of(own.inside), len(own.inside), (estimate.x,), must)
        case how.Rising(versions=()):
            return Needs(_points(own.starts), LEAST_STEPS, settings_of(own.figure) * len(own.figure.models))
        case how.Rising():
            releases = [plannable.find(number, Starts(version=version)).starts for version in estimate.versions]
            points = tuple(Point(starts) for starts in releases if len(starts) == 1)
            return Needs(points, len(releases), len(releases))
        case how.PredictionError():
            return _prediction(estimate, own, plannable.find(number, estimate.starts))
        case _:
            return _ratios(estimate, number, plannable)


def _points(starts: Sequence[Start]) -> tuple[Point, ...]:
    """One of each start."""
    return tuple(Point((start,)) for start in starts)


def _least(estimate: Estimate, declared: int) -> int:
    """What is said of each of the models needs all of them."""
    every = getattr(estimate, "reduce", "mean") != "mean" and not isinstance(estimate, how.AboveLine)
    return declared if every else min(LEAST_POINTS, declared)


def _some(
    estimate: Estimate,
    starts: Sequence[Start],
    declared: int,
    axes: tuple[Axis, ...] = (),
    must: tuple[Start, ...] = (),
) -> Needs:
    return Needs(_points(starts), _least(estimate, declared), declared, axes, must)


def _line(estimate: how.Line, found: _Found) -> Needs:
    declared = len(found.inside) * settings_of(found.figure)
    return Needs(_points(found.of(found.inside)), LEAST_POINTS, declared, (estimate.x,))


def _ratios(estimate: Estimate, number: str, plannable: Plannable) -> Needs | None:
    """A point is a model that all sides have once. A side that can be measured after this call is not waited for."""
    names = ("over", "under", "other_over", "other_under")
    sides = [plannable.find(number, getattr(estimate, name)) for name in names if hasattr(estimate, name)]
    there = [side for side in sides if side.starts]
    if len(there) < len(sides) and not all(side.later for side in sides if not side.starts):
        return None
    points = []
    for model in dict.fromkeys(start.model for side in there[:1] for start in side.starts):
        of_model = [side.of([model]) for side in there]
        starts = tuple(start for found in of_model for start in found)
        if all(len(found) == 1 for found in of_model) and _comparable(starts, plannable.figures):
            points.append(Point(starts))
    declared = len([model for model in sides[0].figure.models if all(model in side.figure.models for side in sides)])
    later = next((side.later for side in sides if side.later), None)
    if isinstance(estimate, how.RatioLine):
        return Needs(tuple(points), LEAST_POINTS, declared, (estimate.x,), elsewhere=later)
    return Needs(tuple(points), _least(estimate, declared), declared, elsewhere=later)


def _comparable(starts: Iterable[Start], figures: Mapping[str, Figure]) -> bool:
    """Whether starts of several figures are of one machine and engine; the other node of a figure is to differ."""
    made = {
        (start.node, start.version, start.twin)
        for start in starts
        if figures[start.figure].differ not in ("gpu", "cpu") or start.slot == figures[start.figure].slots[0]
    }
    return len({start.figure for start in starts}) == 1 or len(made) == 1


def _prediction(estimate: how.PredictionError, training: _Found, found: _Found) -> Needs | None:
    predicted = VALIDATION if estimate.of == "validation" else estimate.of
    must = found.of(predicted) if predicted else found.starts
    if not must or any(not found.of([model]) for model in predicted):
        return None
    apart = {*VALIDATION, *SET_ASIDE, *estimate.without}
    models = [model for model in training.figure.models if model not in apart]
    others = [start for start in training.starts if start.model not in apart]
    return _some(estimate, others, len(models), _PREDICTED_BY, must)


def _spread_over_repeats(estimate: how.RepeatSpread, number: str, plannable: Plannable) -> Needs | None:
    """Any case, started twice. Whether the largest spread of all recordings recurs is not for one call to decide."""
    if estimate.reduce == "max":
        return None
    found = [start for each in estimate.figures for start in plannable.find(number, each).starts if start.key]
    return Needs(_points(found), 1, 1, repeats=LEAST_REPEATS)
