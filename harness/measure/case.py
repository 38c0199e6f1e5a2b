"""From a figure's declaration and the command line's options to cases that can be run."""

import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

from experiments.cold_start import study
from harness.engine.detect import device_variables
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
# Of these, the ones that change a start: part of the case's identity and of the record. Paths stay out of both; what
# CUDA_VISIBLE_DEVICES selects is the node.
DEFINING = ("OMP_NUM_THREADS",)


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

    def models_of(self, figure: Figure) -> tuple[str, ...]:
        """Models to measure: as typed, else the smoke's, else the figure's."""
        return self.models or (self.smoke and figure.smoke.models) or figure.models


def make_case(
    figure: Figure,
    model: ModelFiles,
    engine: Engine,
    eager: bool,
    mode: Mode = "offline",
    parameters: dict[str, Any] | None = None,
) -> Case:
    """One case of the figure: a model and the engine's ``parameters`` (None: the first that the figure declares).

    Everything that defines it goes into its name's hash.
    """
    pin = engine.pin
    if parameters is None:
        parameters = figure.case_parameters(model.name, pin.device)[0]
    setting = {name: parameters[name] for name in figure.vary}
    declared = declared_definition(figure, pin, model.name, parameters, eager, mode)
    facts: dict[str, Any] = {
        **declared["engine"],
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",  # the engine's is made with the harness's
        "torch": engine.installed_version("torch"),  # with its build (+cpu, +cu126), which the index chooses
    }
    definition = {**declared, "twin": model.twin, "files_sha256": model.files_sha256, "engine": facts}
    return Case(
        name=case_id(study.readable_name(model.path.name, pin.name, mode, eager, setting), definition),
        label=" ".join([model.path.name, *(f"{name}={value}" for name, value in setting.items())]),
        definition=definition,
        engine_facts=facts,
        model_facts={key: value for key, value in asdict(model).items() if key != "path"},
        start=_start(model, engine, parameters, eager, mode),
        environment=figure_environment(pin) | figure.environment,
        declared=declared["environment"],
        timeout_s=figure.timeout_s,
        # A figure about compiling every time: no start of it could count as one that found its graphs compiled.
        must_hit=figure.environment.get("VLLM_DISABLE_COMPILE_CACHE", "0") == "0",
        samples=figure.samples,
    )


def declared_definition(
    figure: Figure, pin: Pin, model: str, parameters: dict[str, Any], eager: bool, mode: Mode
) -> dict[str, Any]:
    """What defines a case and is known before its engine is installed and its model made."""
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
        "parameters": parameters,
        "eager": eager,
        "mode": mode,
        "caches": {"warmup": "empty", "measured": "as the warm-up left them"},
        # Sampling costs a little: such a start is a case of its own.
        **({"samples": list(figure.samples)} if figure.samples else {}),
    }


def _start(model: ModelFiles, engine: Engine, parameters: dict[str, Any], eager: bool, mode: Mode) -> Start:
    if mode == "offline":
        return OfflineStart(engine.python, model.path, parameters, eager)
    address = Address(port=free_port())
    command = study.server_command(engine.python, model.path, parameters, eager, address.port)
    return ServerStart(tuple(command), address, prompt=study.PROMPT)


def figure_environment(pin: Pin) -> dict[str, str]:
    """What a figure's engine gets: a few of the caller's variables, the pin's, the study's.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU of this machine.
    """
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, **device_variables(), **pin.environment, **study.environment()}


def declared_environment(pin: Pin) -> dict[str, str]:
    """The variables that define a start: the pin's, which win, and the caller's that change one."""
    return {**{name: os.environ[name] for name in DEFINING if name in os.environ}, **pin.environment}
