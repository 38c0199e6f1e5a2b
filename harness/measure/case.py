"""From a figure's declaration and the command line's options to cases that can be run."""

import sys
from dataclasses import dataclass
from typing import Any

from experiments.cold_start import study
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.patch_set import patches_sha256
from harness.measure.one_run import Case, declared_environment
from harness.record.store import case_id
from harness.spec.figure import Figure


@dataclass(frozen=True)
class Options:
    """What the command line may change about a figure."""

    models: tuple[str, ...] | None = None
    iterations: int | None = None
    smoke: bool = False
    eager: bool = False
    again: bool = False

    def iterations_of(self, figure: Figure) -> int:
        """Measured runs per case: as typed, else the smoke's, else the figure's."""
        return self.iterations or (figure.smoke.iterations if self.smoke else figure.iterations)


def make_case(figure: Figure, model: ModelFiles, engine: Engine, eager: bool) -> Case:
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
    definition = {
        "study": figure.study,
        "model": model.name,
        "twin": model.twin,
        "files_sha256": model.files_sha256,
        "engine": facts,
        "environment": declared_environment(pin),
        "study_sha256": study.sha256(),
        "parameters": figure.parameters,
        "eager": eager,
        "mode": "offline",
        "caches": {"warmup": "empty", "measured": "as the warm-up left them"},
    }
    name = case_id(study.readable_name(model.path.name, pin.name, eager), definition)
    return Case(name, definition, engine, facts, model, figure.parameters, eager, figure.timeout_s)
