"""How long one whole start will take here, for plans: from what this machine has measured, else from usual values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.analyse.forecast_starts import Cache, engine_words
from harness.analyse.model_facts import facts_of
from harness.commands.predict.nodes import find_node
from harness.engine.real_weights import has_real_weights
from harness.engine.twin_facts import twin_facts
from harness.errors import HarnessError
from harness.record.run import Run
from harness.spec.models import find_model
from harness.workspace import Workspace

if TYPE_CHECKING:  # numpy takes a moment to import, and most plans need no forecast
    from harness.analyse.forecast import Forecast

# Seconds of one whole start where this machine has made none like it: on 2 cores without a GPU.
USUAL_S = {("warmup", False): 85.0, ("measured", False): 38.0, ("warmup", True): 30.0, ("measured", True): 26.0}
LEAST_MODELS = 3  # that a forecast is trained on, to be believed more than the middle of all starts

Wanted = Mapping[str, Any]  # a case's declared definition
Forecaster = Callable[[Wanted, str], float | None]  # definition and kind of run → seconds to ready


@dataclass(frozen=True)
class StartSeconds:
    """Seconds of starts. ``runs``: this machine's; ``forecast``: of models that it has not started."""

    runs: list[Run] = field(default_factory=list)
    forecast: Forecaster = lambda _wanted, _kind: None

    def of(self, wanted: Wanted, kind: str) -> float:
        """From exec to the end of the process.

        The middle of such starts of this model; else the forecast, which is of the time to ready, and what starts here
        take beyond that; else the middle of such starts of any model; else a usual value.
        """
        like = [
            run
            for run in self.runs
            if run.kind == kind
            and run.counts
            and run.case.get("engine", {}).get("pin") == wanted["engine"]["pin"]
            and run.case.get("eager") == wanted["eager"]
        ]
        if of_model := [run.wall_s for run in like if run.case.get("model") == wanted["model"]]:
            return median(of_model)
        beyond = [run.wall_s - run.ready_s for run in like if run.ready_s is not None]
        if beyond and (ready_s := self.forecast(wanted, kind)) is not None:
            return ready_s + median(beyond)
        return median(run.wall_s for run in like) if like else USUAL_S[kind, bool(wanted["eager"])]


def forecaster(workspace: Workspace) -> Forecaster:
    """Forecasts from this machine's own starts, of the engine that is asked for; writes nothing."""
    trained: dict[tuple[str, Cache], Forecast | None] = {}

    def ready_s(wanted: Wanted, kind: str) -> float | None:
        cache: Cache = "off" if wanted["eager"] else "empty" if kind == "warmup" else "warm"
        key = (engine_words(wanted["engine"]["version"]), cache)
        if key not in trained:
            trained[key] = _trained(workspace, *key)
        forecast = trained[key]
        if forecast is None:
            return None
        from harness.analyse.forecast import seconds_of_start

        model = find_model(wanted["model"])
        real = has_real_weights(wanted["model"], workspace.models)
        predicted = seconds_of_start(forecast, facts_of(model) if real else twin_facts(model), cache)
        return predicted.seconds if predicted and predicted.seconds > 0 else None

    return ready_s


def _trained(workspace: Workspace, engine: str, cache: Cache) -> "Forecast | None":
    """Of the way in which most models were started with that engine."""
    try:
        node = find_node(None, workspace)
    except HarnessError:  # nothing is stored
        return None
    from harness.analyse.forecast import train
    from harness.analyse.forecast_evaluate import sweep

    starts = tuple(start for start in node.starts if engine in start.work)
    forecast = train(sweep(node.name, starts, cache).found, cache)
    return forecast if forecast and len(forecast.models) >= LEAST_MODELS else None
