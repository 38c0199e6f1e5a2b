"""The runs that the routing figure is made of: those that are missing are made, repeats interleaved over strategies."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.prefix_routing.study import Case, Conditions
from harness.commands.routing.asked import Asked
from harness.commands.routing.load import MadeLoad
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure.deployment import Wanted
from harness.measure.inherited import THREADS, defining
from harness.measure.replay import engine_record
from harness.measure.routing_run import RoutingJob, make_routing_run
from harness.progress import say
from harness.record.repeats import Repeats
from harness.record.routing_facts import read_routing_facts
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import EXACT, OK, RANDOM, STUDY
from harness.workspace import Workspace


@dataclass(frozen=True)
class Deployed:
    """On what the figure runs."""

    asked: Asked
    engine: Engine
    model: ModelFiles
    node: Mapping[str, Any]
    workspace: Workspace

    @property
    def environment(self) -> dict[str, str]:
        """Variables that change what is measured. Replicas on a CPU share its cores, if nothing is said."""
        threads = {}
        if self.engine.pin.device == "cpu":
            threads[THREADS] = str(max(1, len(os.sched_getaffinity(0)) // self.asked.setting.replicas))
        return {**threads, **defining(), **self.engine.pin.environment}

    def wanted(self, case: Case, repeat: int = 1) -> Wanted:
        """How the case is deployed; chances of a router of ours are others in every repeat, as loads are."""
        setting, parameters = case.setting, dict(case.parameters)
        if case.strategy == EXACT:
            parameters |= self._of_exact(case)
        if case.strategy == RANDOM:
            parameters["seed"] += repeat - 1
        return Wanted(
            name=self.model.name,
            model=self.model.path,
            replicas=setting.replicas,
            router={**case.router, "parameters": parameters},
            engine=setting.engine.arguments(),
            max_ongoing_requests=setting.max_ongoing_requests,
            bundle=setting.bundle,
            port=self.asked.port,
            address=self.asked.address,
            environment=self.environment,
            home=self.workspace.caches / "routing" / "home",
            follows_events=case.strategy == EXACT,
        )

    def _of_exact(self, case: Case) -> dict[str, Any]:
        """What the exact router needs to know besides: the model's tokenizer and the size of blocks."""
        tokenizer = self.model.path / "tokenizer.json"
        if not tokenizer.is_file():
            raise HarnessError(f"{tokenizer}: not there; strategy {EXACT} reads it, leave that out with --strategies")
        return {"tokenizer": str(tokenizer.resolve()), "block_size": case.setting.engine.block_size}


@dataclass(frozen=True)
class Planned:
    """The runs of a call. ``loads``: repeat → its load; ``stored``: strategy → where its runs belong."""

    on: Deployed
    loads: Mapping[int, MadeLoad]
    stored: Mapping[str, Repeats]

    def folders(self, case: Case) -> Iterator[Path]:
        """What is shown of the case's repeats: ok runs, and of a repeat without one its last failed attempt."""
        shown = (self.stored[case.strategy].shown(repeat) for repeat in self.loads)
        return (folder for folder in shown if folder is not None)

    @cached_property
    def missing(self) -> list[tuple[int, Case]]:
        """What was not stored before this call, repeat by repeat, each beginning with another strategy.

        Who is first or last is so once.
        """
        found, cases = [], self.on.asked.cases
        for repeat in self.loads:
            first = (repeat - 1) % len(cases)
            for case in (*cases[first:], *cases[:first]):
                if not self.stored[case.strategy].run(repeat).is_dir():
                    found.append((repeat, case))
        return found

    @property
    def has_any(self) -> bool:
        """Whether one of the runs is stored and ok."""
        return any(stored.run(repeat).is_dir() for stored in self.stored.values() for repeat in self.loads)


def planned(on: Deployed, loads: Mapping[int, MadeLoad]) -> Planned:
    """Where the runs belong. Raises CaseFolderError: a case's folder is of another case."""
    conditions = Conditions(
        engine=engine_record(on.engine),
        environment=on.environment,
        model=on.model.record,
        load_sha256=loads[1].facts["load_sha256"],
        joined=on.asked.address is not None,
    )
    root, node, stored = on.workspace.runs, str(on.node["id"]), {}
    for case in on.asked.cases:
        stored[case.strategy] = Repeats.of(root, node, STUDY, case.name, case.definition(conditions))
    return Planned(on, loads, stored)


@dataclass(frozen=True)
class FailedRun:
    """An attempt of this call that failed."""

    case: Case
    folder: Path
    failed_in: str
    reason: str


def make_missing(runs: Planned) -> list[FailedRun]:
    """Make every run that is not stored; returns those that failed.

    A run that failed is not tried again in this call, and the others are made all the same.
    """
    missing = runs.missing
    say(f"{len(runs.stored) * len(runs.loads)} runs, {len(missing)} of them to be made")
    failed: list[FailedRun] = []
    for number, (repeat, case) in enumerate(missing, start=1):
        say(f"run {number}/{len(missing)}: {case.strategy}, repeat {repeat} …")
        folder = make_routing_run(_job(runs, case, repeat), runs.on.engine, say)
        facts = read_routing_facts(folder)
        if facts.status == OK:
            say(_told(facts.phases[-1].client))
        else:
            failed.append(FailedRun(case, folder, str(facts.failed_in), str(facts.reason)))
            say(f"failed ({facts.failed_in}): {facts.reason}; its logs: {folder / 'logs'}")
    return failed


def _job(runs: Planned, case: Case, repeat: int) -> RoutingJob:
    on, setting = runs.on, case.setting
    facts = {
        "label": on.asked.label,
        "strategy": case.strategy,
        "router": case.router,
        "parameters": _parameters(runs, case, repeat),
        "engine": engine_record(on.engine),
        "model": on.model.record,
        "node": dict(on.node),
    }
    return RoutingJob(
        stored=runs.stored[case.strategy],
        repeat=repeat,
        facts=facts,
        wanted=on.wanted(case, repeat),
        load=runs.loads[repeat].load,
        parameters=setting.load.of_repeat(repeat),
        with_warmup=setting.with_warmup,
        limits=on.asked.figure.timeout_s,
    )


def _parameters(runs: Planned, case: Case, repeat: int) -> dict[str, Any]:
    """Everything that the label stands for, as the sweep's tables know it."""
    setting = case.setting.model_dump(exclude={"repeats", "model", "load"})
    load, gpus = runs.loads[repeat], runs.on.asked.gpus
    sent = setting | {
        "gpu_type": gpus[0] if gpus else "cpu",
        "num_servers": case.setting.replicas,
        # prompt_tokens: as the model's tokenizer counts them, before anything is sent
        "load": {
            **load.facts["parameters"],
            **case.setting.load.of_repeat(repeat).sending.document(),
            "prompts_per_conversation": load.facts["prompts_per_conversation"]["mean"],
            "prompt_tokens": load.facts["prompt_tokens"]["sum"],
        },
    }
    return json.loads(json.dumps(sent))  # type: ignore[no-any-return]  # as it will be read again


def _told(client: Mapping[str, Any]) -> str:
    parts = [f"{client['completed']} of {client['requests']} requests in {client['wall_s']:.1f} s"]
    parts += [f"{client[name]} {name}" for name in ("failed", "cancelled") if client[name]]
    return ", ".join(parts)


def with_label(run: RoutingRun, label: str) -> RoutingRun:
    """The run as a label shows it: which it is called by is no part of what was measured."""
    return replace(run, facts=replace(run.facts, label=label))
