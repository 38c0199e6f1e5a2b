"""From a figure's declaration and the command line's options to cases that can be run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.cold_start import study
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.patch_set import patches_sha256
from harness.measure.inherited import defining, inherited
from harness.measure.one_run import Case
from harness.measure.preparation import Surroundings
from harness.measure.start import OfflineStart, Start, StudyServer
from harness.record.slotfacts import gpus_asked_for
from harness.record.store import case_id
from harness.spec.arguments import spelt
from harness.spec.figure import Figure, Mode
from harness.spec.hooks import load_hooks
from harness.spec.pin import Pin
from harness.spec.state import StartState

DIRECT_FORMATS = ("runai_streamer",)  # load formats that read with O_DIRECT: the page cache is neither used nor filled


@dataclass(frozen=True)
class Options:
    """What the command line may change about a figure."""

    models: tuple[str, ...] | None = None
    iterations: int | None = None
    smoke: bool = False
    eager: bool = False
    again: bool = False
    mode: Mode | None = None
    storage: str | None = None
    drop_caches: bool = False
    quiet_wait_s: float = 0.0
    parallel: bool = False  # both slots of a figure at once, on two GPUs of this machine

    def iterations_of(self, figure: Figure) -> int:
        """Measured runs per case: as typed, else the smoke's, else the figure's."""
        return self.iterations or (figure.smoke.iterations if self.smoke else figure.iterations)

    def models_of(self, figure: Figure) -> tuple[str, ...]:
        """Models to measure: as typed, else the smoke's, else the figure's."""
        return self.models or (self.smoke and figure.smoke.models) or figure.models


@dataclass(frozen=True)
class Setting:
    """What of a figure's grid one case is, besides its model and engine. ``state_name``: where a figure has several."""

    parameters: dict[str, Any]
    state: StartState
    state_name: str = ""
    eager: bool = False
    mode: Mode = "offline"
    drop_caches: bool = False  # as asked: of a figure's states it acts on those that evict something
    parallel: bool = False  # measured at once with the same case on another GPU

    def varied(self, figure: Figure) -> dict[str, Any]:
        """What the figure varies besides the model."""
        named = {"state": self.state_name} if self.state_name else {}
        return {**{name: self.parameters[name] for name in figure.vary}, **named}

    @property
    def drops(self) -> bool:
        """Whether the whole page cache is dropped before its starts."""
        return self.drop_caches and self.state.evicts

    @property
    def direct(self) -> bool:
        """Whether its weights are read past the page cache."""
        return self.parameters.get("load_format") in DIRECT_FORMATS


def make_case(
    figure: Figure, model: ModelFiles, engine: Engine, setting: Setting, place: Path, quiet_wait_s: float = 0.0
) -> Case:
    """One case of the figure; ``place`` is the folder that the engine reads the model from.

    Everything that defines it goes into its name's hash.
    """
    pin = engine.pin
    declared = declared_definition(figure, pin, model.name, setting)
    facts: dict[str, Any] = {
        **declared["engine"],
        "python": engine.python_version,
        "torch": engine.installed_version("torch"),  # with its build (+cpu, +cu126), which the index chooses
        **({"reused": engine.reused} if engine.reused else {}),  # of another Python: docs/wheelhouse.md
    }
    definition = {**declared, "twin": model.twin, "files_sha256": model.files_sha256, "engine": facts}
    varied = setting.varied(figure)
    name = study.readable_name(model.path.name, pin.name, setting.mode, setting.eager, setting.state.storage, varied)
    return Case(
        name=case_id(name, definition),
        label=" ".join([model.path.name, *(f"{name}={value}" for name, value in varied.items())]),
        definition=definition,
        engine_facts=facts,
        model_facts={key: value for key, value in asdict(model).items() if key != "path"},
        start=_start(place, engine, setting),
        environment=figure_environment(pin) | figure.environment,
        declared=declared["environment"],
        timeout_s=figure.timeout_s,
        state=setting.state,
        traced=pin.traced,
        untimed_hooks=load_hooks(pin.hooks).untimed if pin.traced else frozenset(),
        around=Surroundings(
            place,
            engine.library_folders,
            setting.direct,
            quiet_wait_s,
            setting.drops,
            gpus=gpus_asked_for(setting.parameters) if pin.device == "cuda" else 0,
        ),
        samples=samples_of(figure, pin),
    )


def declared_definition(figure: Figure, pin: Pin, model: str, setting: Setting) -> dict[str, Any]:
    """What defines a case and is known before its engine is installed and its model made."""
    arguments = spelt(setting.parameters, pin.spells)
    return {
        "study": figure.study,
        "model": model,
        "engine": {
            "pin": pin.name,
            "version": pin.vllm_version,
            "lock_sha256": pin.lock_sha256,
            "patches_sha256": patches_sha256(pin),
        },
        "environment": declared_environment(pin) | figure.environment,
        "study_sha256": study.sha256(),
        "parameters": setting.parameters,
        **({"spelt": arguments} if arguments != setting.parameters else {}),
        "eager": setting.eager,
        "mode": setting.mode,
        "state": setting.state.declared(),
        # Sampling costs a little: such a start is a case of its own.
        **({"samples": list(samples)} if (samples := samples_of(figure, pin)) else {}),
        **({"drop_caches": "all"} if setting.drops else {}),
        **({"parallel": True} if setting.parallel else {}),
    }


def samples_of(figure: Figure, pin: Pin) -> tuple[str, ...]:
    """What is sampled while a start runs: what the figure says, and the GPUs of every traced start that uses some.

    Of a release only how long its start takes is told: it has no timeline that samples could be drawn under.
    """
    return (*figure.samples, *(("gpu",) if pin.device == "cuda" and pin.traced else ()))


def _start(model: Path, engine: Engine, setting: Setting) -> Start:
    arguments = spelt(setting.parameters, engine.pin.spells)
    kind = OfflineStart if setting.mode == "offline" else StudyServer
    return kind(engine.python, model, arguments, setting.eager)


def figure_environment(pin: Pin) -> dict[str, str]:
    """What a figure's engine gets: a few of the caller's variables, the study's, the pin's, which win.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU of this machine.
    """
    return {**inherited(), **study.environment(), **declared_environment(pin)}


def declared_environment(pin: Pin) -> dict[str, str]:
    """The variables that define a start: the pin's, which win, and the caller's that change one."""
    return {**defining(), **pin.environment}
