"""``python -m harness gpu-check``: what a machine with a GPU says of this harness, in stages that can be repeated.

    install    the engine's environment, patched; every hook's target looked up
    figure2    starts of one model, uncached and cached
    figure8    graph capture of a few models
    figure9    graph capture of three numbers of sizes
    storage    loading a heavy twin from memory and from the disk, and plain copies beside it
    pack       slots and a summary of all of it in one small file

Every stage measures what is not stored yet, so that a call that was cut off is repeated. An engine without a GPU makes
the same calls: a rehearsal, which the summary says it is.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.door import json_errors
from harness.engine import patching
from harness.engine.environment import Engine, engine_of
from harness.engine.model_store import ensure_model
from harness.engine.real_weights import has_real_weights
from harness.errors import HarnessError, MeasurementFailed
from harness.figure_cases import asked_figures
from harness.figure_command import Call, run_figure, set_up
from harness.gpu_check_pack import pack_check, summary_of
from harness.gpu_check_starts import stages_of
from harness.measure.case import Options
from harness.measure.conditions import check_writable, measuring
from harness.measure.h2d import transfers_of
from harness.measure.replay import installed
from harness.progress import say
from harness.record.gpu_check import GpuCheckError
from harness.show.gpu_check_print import print_summary
from harness.spec.gpu_check import FigureStage, GpuCheck
from harness.spec.pin import Pin, load_pin
from harness.state.machine import this_node
from harness.workspace import Workspace


@dataclass(frozen=True)
class CheckCall:
    """What was typed. ``stages``: in this order; empty: all."""

    stages: tuple[str, ...]
    pin: str
    dest: Path | None
    quiet_wait_s: float
    as_json: bool


@dataclass(frozen=True)
class _Stages:
    """The stages of one call, by name."""

    check: GpuCheck
    pin: Pin
    call: CheckCall
    workspace: Workspace

    def by_name(self) -> dict[str, Callable[[], None]]:
        """All of them, in their order."""
        figures = {name: partial(self._figures, each) for name, each in stages_of(self.check).items()}
        return {"install": self._install, **figures, "storage": self._storage, "pack": self._pack}

    def _install(self) -> None:
        engine = set_up(self.pin, self.workspace)
        if self.pin.traced and (gone := patching.check(self.pin, engine.vllm_dir).gone):
            first = f"{gone[0].module}:{gone[0].name}"
            raise HarnessError(f"engine {self.pin.name}: {len(gone)} hooks have no target, the first is {first}")
        say(f"engine {self.pin.name}: installed, patched; torch {engine.installed_version('torch')}")

    def _figures(self, stages: tuple[FigureStage, ...]) -> None:
        for stage in stages:
            options = Options(
                models=stage.models,
                iterations=stage.iterations,
                smoke=stage.smoke,
                quiet_wait_s=self.call.quiet_wait_s,
            )
            asked = asked_figures(stage.figure, stage.slot, options, self.pin.name, self.workspace)
            if not any(each.points for each in asked):
                say("; ".join(note for each in asked for note in each.notes))  # why this engine cannot
                continue
            run_figure(Call(stage.figure, stage.slot, self.pin.name), options, self.workspace)

    def _storage(self) -> None:
        storage, engine = self.check.storage, installed(engine_of(self.pin, self.workspace))
        files = [self._heavy(name, storage.scale, engine) for name in storage.ram.models]
        self._figures((storage.ram, storage.ssd))
        largest = max(files[0].glob("*.safetensors"), key=lambda path: path.stat().st_size)
        with measuring(self.workspace.root, "timing copies to the device"):
            node = this_node(self.workspace.runs)
            try:
                transfers_of(engine, self.check.transfers, largest, str(node["id"]), self.workspace.runs)
            except GpuCheckError as error:
                raise HarnessError(f"{error}; move its folder away and repeat") from None

    def _heavy(self, name: str, scale: float, engine: Engine) -> Path:
        """The model's folder: real weights if they are there, else a twin of this size."""
        real = has_real_weights(name, self.workspace.models)
        wanted = None if real else scale
        return ensure_model(name, lambda: engine.python, self.workspace.models, announce=say, scale=wanted).path

    def _pack(self) -> None:
        path = pack_check(self.check, self.pin, self.call.dest, self.workspace)
        say(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def run_gpu_check(check: GpuCheck, call: CheckCall, workspace: Workspace) -> int:
    """Run the stages, print where the check stands; 0: every stage did what it should, 1: starts failed.

    Raises:
        HarnessError: an unknown stage or engine, no GPU for it, or a stage that is impossible here.
    """
    with json_errors(call.as_json):
        pin = load_pin(call.pin)
        stages = _Stages(check, pin, call, workspace).by_name()
        if unknown := [name for name in call.stages if name not in stages]:
            raise HarnessError(f"no stage '{unknown[0]}'; stages: {', '.join(stages)}")
        asked_figures(check.figure2.figure, None, Options(), pin.name, workspace)  # refuses an engine without its GPU
        check_writable([workspace.runs])
        failed: MeasurementFailed | None = None
        for name in call.stages or stages:
            say(f"— {name} —")
            try:
                stages[name]()
            except MeasurementFailed as error:  # what can be measured is measured, and packed, all the same
                say(f"error: {error}")
                failed = error
        summary = summary_of(check, pin, workspace)
    print_summary(summary, to_stderr=call.as_json)
    if call.as_json:
        print(json.dumps(summary.document(), allow_nan=False))
    return 0 if failed is None else 1
