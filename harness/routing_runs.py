"""The runs that the routing figure is made of: those that are missing are made, repeats interleaved over strategies."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.prefix_routing.study import Case
from harness.engine.environment import Engine
from harness.engine.model_files import file_sha256
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure.deployment import Wanted
from harness.measure.replay import engine_record
from harness.measure.routing_run import RoutingJob, make_routing_run
from harness.progress import say
from harness.record.replay_rows import ReplayError
from harness.record.routing_facts import read_routing_facts
from harness.record.routing_run import RoutingRun
from harness.record.routing_store import StoredCase
from harness.record.routing_tables import EXACT, OK, STUDY
from harness.routing_asked import Asked
from harness.routing_load import MadeLoad
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
    def model_record(self) -> dict[str, Any]:
        """As runs have it."""
        return {"name": self.model.name, "twin": self.model.twin, "files_sha256": self.model.files_sha256}

    def stored(self, case: Case) -> StoredCase:
        """Where the case's runs belong. Raises HarnessError: its folder is of another case."""
        data = file_sha256(self.asked.data) if self.asked.data else None
        definition = case.definition(engine_record(self.engine), self.model_record, data)
        try:
            return StoredCase.of(self.workspace.runs, str(self.node["id"]), STUDY, case.name, definition)
        except ReplayError as error:
            raise HarnessError(str(error)) from None

    def wanted(self, case: Case) -> Wanted:
        """How the case is deployed."""
        setting = case.setting
        return Wanted(
            name=self.model.name,
            model=self.model.path,
            replicas=setting.replicas,
            router=case.router if case.strategy != EXACT else self._exact(case),
            engine=setting.engine.arguments(),
            max_ongoing_requests=setting.max_ongoing_requests,
            bundle=setting.bundle,
            port=self.asked.port,
            address=self.asked.address,
        )

    def _exact(self, case: Case) -> dict[str, Any]:
        """What the exact router needs to know besides: the model's tokenizer and the size of blocks."""
        tokenizer = self.model.path / "tokenizer.json"
        if not tokenizer.is_file():
            raise HarnessError(f"{tokenizer}: not there; strategy {EXACT} reads it, leave that out with --strategies")
        more = {"tokenizer": str(tokenizer.resolve()), "block_size": case.setting.engine.block_size}
        return {**case.router, "parameters": {**case.router["parameters"], **more}}


@dataclass(frozen=True)
class FailedRun:
    """An attempt of this call that failed."""

    case: Case
    folder: Path
    failed_in: str
    reason: str


def make_missing(deployed: Deployed, loads: Mapping[int, MadeLoad]) -> list[FailedRun]:
    """Make every run that is not stored; returns those that failed. ``loads``: repeat → its load.

    A run that failed is not tried again in this call, and the others are made all the same.
    """
    missing = list(_missing(deployed))
    say(f"{len(deployed.asked.cases) * deployed.asked.setting.repeats} runs, {len(missing)} of them to be made")
    failed: list[FailedRun] = []
    for number, (repeat, case) in enumerate(missing, start=1):
        say(f"run {number}/{len(missing)}: {case.strategy}, repeat {repeat} …")
        folder = make_routing_run(_job(deployed, case, repeat, loads[repeat]), deployed.engine, say)
        facts = read_routing_facts(folder)
        if facts.status == OK:
            say(_told(facts.phases[-1].client))
        else:
            failed.append(FailedRun(case, folder, str(facts.failed_in), str(facts.reason)))
            say(f"failed ({facts.failed_in}): {facts.reason}; its logs: {folder / 'logs'}")
    return failed


def _missing(deployed: Deployed) -> Iterator[tuple[int, Case]]:
    for repeat in range(1, deployed.asked.setting.repeats + 1):
        for case in deployed.asked.cases:
            if not deployed.stored(case).run(repeat).is_dir():
                yield repeat, case


def _job(deployed: Deployed, case: Case, repeat: int, load: MadeLoad) -> RoutingJob:
    setting, asked = case.setting, deployed.asked
    parameters = setting.load.of_repeat(repeat)
    facts = {
        "label": asked.label,
        "strategy": case.strategy,
        "router": case.router,
        "parameters": _parameters(deployed, case, repeat, load),
        "engine": engine_record(deployed.engine),
        "model": deployed.model_record,
        "node": dict(deployed.node),
    }
    return RoutingJob(
        stored=deployed.stored(case),
        repeat=repeat,
        facts=facts,
        wanted=deployed.wanted(case),
        load=load.load,
        parameters=parameters,
        with_warmup=setting.with_warmup,
        limits=asked.figure.timeout_s,
    )


def _parameters(deployed: Deployed, case: Case, repeat: int, load: MadeLoad) -> dict[str, Any]:
    """Everything that the label stands for, as the sweep's tables know it."""
    setting = case.setting.model_dump(exclude={"repeats", "model", "load"})
    gpus: Sequence[str] = deployed.asked.gpus
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
