"""``python3 harness gpu-check``: what a machine with a GPU says of this harness, in stages that can be repeated.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.commands.figure.cases import asked_figures
from harness.commands.figure.command import Call, run_figure, set_up
from harness.commands.figure.problems import for_each, raise_last
from harness.commands.gpu_check.models import heavy_models
from harness.commands.gpu_check.pack import pack_check, summary_of
from harness.commands.gpu_check.starts import STORAGE, stages_of
from harness.door import json_errors
from harness.engine import patching
from harness.engine.environment import Engine, engine_of
from harness.errors import HarnessError
from harness.measure.case import Options
from harness.measure.conditions import check_writable, measuring
from harness.measure.h2d import transfers_of
from harness.measure.replay import installed
from harness.progress import console, say
from harness.record.case_folder import CaseFolderError
from harness.record.gpu_check import GpuCheckError
from harness.record.plain import printable
from harness.show.gpu_check_print import print_summary
from harness.spec.gpu_check import FigureStage, GpuCheck
from harness.spec.pin import Pin, load_pin
from harness.state.machine import this_node
from harness.workspace import Workspace

INSTALL = "install"


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
        return {INSTALL: self._install, **figures, STORAGE: self._storage, "pack": self._pack}

    def _install(self) -> None:
        engine = set_up(self.pin, self.workspace)
        if self.pin.traced and (gone := patching.check(self.pin, engine.vllm_dir).gone):
            first = f"{gone[0].module}:{gone[0].name}"
            raise HarnessError(f"engine {self.pin.name}: {len(gone)} hooks have no target, the first is {first}")
        say(f"engine {self.pin.name}: installed, patched; torch {engine.installed_version('torch')}")

    def _figures(self, stages: tuple[FigureStage, ...]) -> None:
        raise_last(for_each(stages, self._figure))

    def _figure(self, stage: FigureStage) -> None:
        options = Options(
            models=stage.models,
            iterations=stage.iterations,
            smoke=stage.smoke,
            quiet_wait_s=self.call.quiet_wait_s,
        )
        asked = asked_figures(stage.figure, stage.slot, options, self.pin.name, self.workspace)
        if any(each.points for each in asked):
            run_figure(Call(stage.figure, stage.slot, self.pin.name), options, self.workspace)
        else:
            say("; ".join(note for each in asked for note in each.notes))  # why this engine cannot

    def _storage(self) -> None:
        if STORAGE not in summary_of(self.check, self.pin, self.workspace).missing:
            say("storage: every start and every copy is stored")
            return
        storage, engine = self.check.storage, installed(engine_of(self.pin, self.workspace))
        with heavy_models(storage.ram.models, storage.scale, engine, self.workspace) as folders:
            problems = for_each((storage.ram, storage.ssd), self._figure)
            raise_last([*problems, *for_each(folders[:1], partial(self._transfers, engine))])

    def _transfers(self, engine: Engine, model: Path) -> None:
        largest = max(model.glob("*.safetensors"), key=lambda path: path.stat().st_size)
        with measuring(self.workspace.root, "timing copies to the device"):
            node = this_node(self.workspace.runs)
            try:
                transfers_of(engine, self.check.transfers, largest, str(node["id"]), self.workspace.runs)
            except CaseFolderError as error:
                raise HarnessError(str(error)) from None
            except GpuCheckError as error:
                raise HarnessError(f"{error}; move its folder away and repeat") from None

    def _pack(self) -> None:
        path = pack_check(self.check, self.pin, self.call.dest, self.workspace)
        say(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def run_gpu_check(check: GpuCheck, call: CheckCall, workspace: Workspace) -> int:
    """Run the stages, print where the check stands; the worst of their exit codes (0: all did what they should).

    Raises:
        HarnessError: an unknown stage or engine, or no GPU for it; nothing has been done then.
    """
    with json_errors(call.as_json):
        pin = load_pin(call.pin)
        stages = _Stages(check, pin, call, workspace).by_name()
        if unknown := [name for name in call.stages if name not in stages]:
            raise HarnessError(f"no stage '{unknown[0]}'; stages: {', '.join(stages)}")
        if set(call.stages or stages) - {INSTALL}:  # an engine can be installed before its GPU is there
            asked_figures(check.figure2.figure, None, Options(), pin.name, workspace)
        check_writable([workspace.runs])
        problems = list(_problems(stages, call.stages or tuple(stages)))
        summary = replace(summary_of(check, pin, workspace), problems=[str(each) for each in problems])
    print_summary(summary, to_stderr=call.as_json)
    if call.as_json:
        print(json.dumps(summary.document(), allow_nan=False))
    return max((each.exit_code for each in problems), default=0)


def _problems(stages: Mapping[str, Callable[[], None]], names: Sequence[str]) -> Iterator[HarnessError]:
    """Run the stages: one that fails does not keep the others from theirs, unless there is no engine."""
    for name in names:
        say(f"— {name} —")
        try:
            stages[name]()
        except HarnessError as error:
            console.print(f"error: {printable(str(error))}", soft_wrap=True)
            yield error
            if name == INSTALL:
                return
