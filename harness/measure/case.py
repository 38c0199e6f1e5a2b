"""From a figure's declaration and the command line's options to cases that can be run."""

import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

from experiments.cold_start import study
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.patch_set import patches_sha256
from harness.measure.address import Address, free_port
from harness.measure.one_run import Case
from harness.measure.start import OfflineStart, ServerStart, Start
from harness.record.store import case_id
from harness.spec.figure import Figure, Mode
from harness.spec.pin import Pin

# Of the caller's environment, only these reach the engine: a result must not depend on what only one shell has.
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
)
# Of these, the ones that change a start: part of the case's identity and of the record. Paths stay out of both.
DEFINING = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Options:
    """What the command line may change about a figure."""

    models: tuple[str, ...] | None = None
    iterations: int | None = None
    smoke: bool = False
    eager: bool = False
    again: bool = False
    mode: Mode | None = None

    def iterations_of(self, figure: Figure) -> int:
        """Measured runs per case: as typed, else the smoke's, else the figure's."""
        return self.iterations or (figure.smoke.iterations if self.smoke else figure.iterations)


def make_case(figure: Figure, model: ModelFiles, engine: Engine, eager: bool, mode: Mode = "offline") -> Case:
    """The figure's case for one model. Everything that defines it goes into its name's hash."""
    pin = engine.pin
    facts: dict[str, Any] = {
        "pin": pin.name,
        "version": pin.vllm_version,
        "lock_sha256": pin.lock_sha256,
        "patches_sha256": patches_sha256(pin),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",  # the engine's is made with the harness's
        "torch": engine.installed_version("torch"),  # with its build (+cpu, +cu126), which the index chooses
    }
    declared = declared_environment(pin)
    definition = {
        "study": figure.study,
        "model": model.name,
        "twin": model.twin,
        "files_sha256": model.files_sha256,
        "engine": facts,
        "environment": declared,
        "study_sha256": study.sha256(),
        "parameters": figure.parameters,
        "eager": eager,
        "mode": mode,
        "caches": {"warmup": "empty", "measured": "as the warm-up left them"},
    }
    return Case(
        name=case_id(study.readable_name(model.path.name, pin.name, mode, eager), definition),
        label=model.path.name,
        definition=definition,
        engine_facts=facts,
        model_facts={key: value for key, value in asdict(model).items() if key != "path"},
        start=_start(figure, model, engine, eager, mode),
        environment=figure_environment(pin),
        declared=declared,
        timeout_s=figure.timeout_s,
    )


def _start(figure: Figure, model: ModelFiles, engine: Engine, eager: bool, mode: Mode) -> Start:
    if mode == "offline":
        return OfflineStart(engine.python, model.path, figure.parameters, eager)
    address = Address(port=free_port())
    command = study.server_command(engine.python, model.path, figure.parameters, eager, address.port)
    return ServerStart(tuple(command), address, prompt=study.PROMPT)


def figure_environment(pin: Pin) -> dict[str, str]:
    """What a figure's engine gets: a few of the caller's variables, the pin's, the study's."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, **pin.environment, **study.environment()}


def declared_environment(pin: Pin) -> dict[str, str]:
    """The variables that define a start: the pin's, which win, and the caller's that change one."""
    return {**{name: os.environ[name] for name in DEFINING if name in os.environ}, **pin.environment}
