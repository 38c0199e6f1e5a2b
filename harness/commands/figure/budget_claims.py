"""The claims that a call's starts can decide here, and which of the starts decide each of them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analyse.budget import Candidate
from harness.analyse.dataset import captured
from harness.analyse.decides import Plannable, needs_of
from harness.analyse.deciding import Start, keys_of
from harness.analyse.evidence import Device, Evidence, measured
from harness.analyse.judge import best_verdict
from harness.analyse.paper_facts import paper_facts
from harness.commands.figure.cases import Asked, Point, asked_with
from harness.commands.figure.plan import case_key, node_here
from harness.engine.real_weights import has_real_weights
from harness.measure.case import Options
from harness.spec.claims import Claim
from harness.spec.estimates import CoreUse
from harness.workspace import Workspace


@dataclass(frozen=True)
class Machine:
    """What claims depend on of this one: its name, its cores, and the folder of model files."""

    node: str
    cores: int
    models: Path


def machine_here(workspace: Workspace) -> Machine:
    """This one."""
    return Machine(node_here(workspace), len(os.sched_getaffinity(0)), workspace.models)


def candidates(
    asked: Sequence[Asked], claims: Iterable[Claim], evidence: Evidence, machine: Machine
) -> Iterator[Candidate]:
    """The claims that these starts decide, with what is measured already in other slots."""
    slots = {(each.number, each.slot) for each in asked if each.points}
    beside = [start for start in _measured(evidence) if (start.figure, start.slot) not in slots]
    plannable = Plannable(evidence.figures, [*_asked(asked, machine), *beside])
    for claim in claims:
        if isinstance(claim.estimate, CoreUse) and claim.estimate.least_cores > machine.cores:
            continue
        needs = needs_of(claim.estimate, claim.figure, plannable)
        if needs is None or not keys_of(needs.starts):
            continue
        device: Device = "cpu" if any(start.device == "cpu" for start in needs.starts) else "cuda"
        if best_verdict(claim, device, any(start.twin for start in needs.starts)) != "not run":
            yield Candidate(claim.id, needs)


def _asked(asked: Sequence[Asked], machine: Machine) -> Iterator[Start]:
    facts = paper_facts()
    for each in asked:
        for point in _declared(each):
            parameters = point.setting.parameters
            yield Start(
                figure=each.number,
                slot=each.slot,
                model=point.model,
                key=case_key(each, point),
                device=point.pin.device,
                node=machine.node,
                version=point.pin.vllm_version,
                twin=not has_real_weights(point.model, machine.models),
                load_format=str(parameters.get("load_format", "auto")),
                facts={**facts.get(point.model, {}), **captured(parameters)},
            )


def _declared(asked: Asked) -> Iterator[Point]:
    """The points that the figure declares: with options that change a start, it decides no claim."""
    slot = asked.figure.slots.index(asked.slot)
    for point in asked.points:
        usual = asked_with(asked.figure, slot, Options(models=(point.model,)), point.pin, [point.pin]).points
        if any(point.setting == each.setting for each in usual):
            yield point


def _measured(evidence: Evidence) -> Iterator[Start]:
    facts = paper_facts()
    for number, slots in evidence.sides.items():
        for slot, side in slots.items():
            origin = evidence.origins[number, slot]
            for case in side.cases:
                if measured(case):
                    yield Start(
                        figure=number,
                        slot=slot,
                        model=case.model,
                        key=None,
                        device=origin.device,
                        node=origin.node,
                        version=case.engine,
                        twin=case.twin,
                        load_format=str(case.parameters.get("load_format", "auto")),
                        facts={**facts.get(case.model, {}), **captured(case.parameters)},
                    )
