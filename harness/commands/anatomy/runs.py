"""Serving runs of the anatomy figure: which there must be, and making those that are not stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from experiments.engine_anatomy.study import ENVIRONMENT, Conditions
from harness.commands.anatomy.asked import Asked
from harness.commands.anatomy.load import level_rows, load_sha256, warm_rows
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.measure.address import free_port
from harness.measure.anatomy_run import MODEL_NAME, AnatomyJob, LevelJob, make_anatomy_run
from harness.measure.inherited import THREADS, defining, inherited
from harness.measure.replay import patched_engine_record
from harness.measure.serving import WantedServer
from harness.measure.serving_trace import Sampling
from harness.progress import say
from harness.record.anatomy_run import read_anatomy_facts
from harness.record.anatomy_tables import CPU, OK, STUDY
from harness.record.repeats import Repeats
from harness.workspace import Workspace


@dataclass(frozen=True)
class AnatomyOn:
    """What the figure is made of: the asked part, and where it runs."""

    asked: Asked
    engine: Engine
    model: ModelFiles
    node: dict[str, Any]
    workspace: Workspace

    @property
    def engine_record(self) -> dict[str, Any]:
        """The engine, as a run states it."""
        return patched_engine_record(self.engine)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that change what is measured. On a CPU the setting has the threads, the caller's among them."""
        pin = self.engine.pin
        threads = {THREADS: str(self.asked.setting.threads)} if pin.device == CPU else {}
        return {**defining(), **pin.environment, **ENVIRONMENT, **threads}


@dataclass(frozen=True)
class PlannedRuns:
    """The runs of a call, and where they belong."""

    on: AnatomyOn
    stored: Repeats

    @property
    def repeats(self) -> range:
        """1, 2, …"""
        return range(1, self.on.asked.setting.repeats + 1)

    def shown(self) -> Iterator[Path]:
        """Folders that are shown: ok runs, and of a repeat without one its last failed attempt."""
        found = (self.stored.shown(repeat) for repeat in self.repeats)
        return (folder for folder in found if folder is not None)

    @property
    def has_any(self) -> bool:
        """Whether one is stored and ok."""
        return any(self.stored.run(repeat).is_dir() for repeat in self.repeats)


def planned(on: AnatomyOn) -> PlannedRuns:
    """Where the runs belong. Raises CaseFolderError: the case's folder is of another case."""
    case = on.asked.case
    sent = load_sha256(case.levels, case.setting.prompts)
    conditions = Conditions(on.engine_record, on.environment, on.model.record, sent)
    root, node = on.workspace.runs, str(on.node["id"])
    return PlannedRuns(on, Repeats.of(root, node, STUDY, case.name, case.definition(conditions)))


def make_missing(runs: PlannedRuns) -> list[str]:
    """Make every run that is not stored; returns what failed, a line each. The others are made all the same."""
    missing = [repeat for repeat in runs.repeats if not runs.stored.run(repeat).is_dir()]
    say(f"{len(runs.repeats)} serving runs, {len(missing)} of them to be made")
    failed = []
    for number, repeat in enumerate(missing, start=1):
        say(f"run {number}/{len(missing)}: vllm serve, repeat {repeat} …")
        folder = make_anatomy_run(_job(runs, repeat), say)
        facts = read_anatomy_facts(folder)
        if facts.status != OK:
            failed.append(f"repeat {repeat} failed in {facts.failed_in}: {facts.reason}; log: {folder / 'server.log'}")
            say(failed[-1])
    return failed


def _job(runs: PlannedRuns, repeat: int) -> AnatomyJob:
    on, asked = runs.on, runs.on.asked
    case, setting = asked.case, asked.setting
    # A level that is always the last would have the warmest caches always.
    levels = case.levels if repeat % 2 else case.levels[::-1]
    return AnatomyJob(
        stored=runs.stored,
        repeat=repeat,
        facts={
            "parameters": case.parameters(),
            "engine": on.engine_record,
            "model": on.model.record,
            "node": dict(on.node),
            "device": on.engine.pin.device,
            "environment": on.environment,
        },
        wanted=partial(server_of, runs),
        levels=[
            LevelJob(level, warm_rows(level, setting.prompts), level_rows(level, setting.prompts, repeat))
            for level in levels
        ],
        workers=_workers(on),
        sampling=Sampling(case.sampled.detail_s, case.sampled.period_s, setting.prompts.seed + repeat),
        timeout_s=setting.prompts.timeout_s,
        limits=asked.figure.timeout_s,
    )


def _workers(on: AnatomyOn) -> int:
    """Worker processes: on a CPU always, on one GPU the engine core does their work."""
    size = on.asked.setting.server.tensor_parallel_size
    return size if size > 1 or on.engine.pin.device == CPU else 0


def server_of(runs: PlannedRuns, log: Path) -> WantedServer:
    """The case's server, at a free port."""
    on, port = runs.on, free_port()
    command = on.asked.case.command(on.engine.python, on.model.path.resolve(), MODEL_NAME, port)
    caches = on.workspace.caches / runs.stored.case.rpartition("_")[2] / "anatomy"
    return WantedServer(tuple(command), port, {**inherited(), **on.environment}, caches.resolve(), log)
