"""What the manifest of a routing slot says beside its tables (``harness/routing_slot.py``).

A slot comes from anywhere: what is not there, or of another kind, is empty.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.record.study_slot import StudySlot


def pin(slot: StudySlot) -> str:
    """The engine's pin."""
    return str(_object(slot.manifest.get("engine")).get("pin") or "an engine of no name")


def model(slot: StudySlot) -> tuple[str, bool]:
    """The model's name, and whether it is a structural twin."""
    facts = _object(slot.manifest.get("model"))
    return str(facts.get("name") or "of no name"), bool(facts.get("twin"))


def parameters(slot: StudySlot, label: str) -> list[str]:
    """``name=value`` of what all runs of the label share."""
    return list(_told(_object(_object(slot.manifest.get("labels")).get(label))))


def router(slot: StudySlot, label: str, strategy: str) -> list[str]:
    """A strategy's class without its module, then ``name=value`` of its parameters; empty if they are not recorded."""
    for case in _objects(slot.manifest.get("cases")):
        facts = _object(case.get("router"))
        if facts and (case.get("label"), case.get("strategy")) == (label, strategy):
            name = str(facts.get("class") or "of unknown class").replace(":", ".").rpartition(".")[2]
            return [name, *_told(_object(facts.get("parameters")))]
    return []


def clients(slot: StudySlot, label: str) -> tuple[list[float], list[float]]:
    """Of each phase of each run: the client's share of a core, and the 99th percentile of its send error in seconds."""
    phases = [phase for run in _runs(slot, label) for phase in _objects(run.get("phases"))]
    shares = [phase.get("client_cpu_share") for phase in phases]
    errors = [_object(phase.get("send_error_s")).get("p99") for phase in phases]
    return _numbers(shares), _numbers(errors)


def accounts(slot: StudySlot, label: str) -> tuple[int, int]:
    """How many runs were accounted for, and how many of them exactly."""
    found = [account for run in _runs(slot, label) if (account := _object(run.get("accounting")))]
    return len(found), sum(account.get("is_exact") is True for account in found)


def _runs(slot: StudySlot, label: str) -> list[dict[str, Any]]:
    cases = [case for case in _objects(slot.manifest.get("cases")) if case.get("label") == label]
    return [run for case in cases for run in _objects(case.get("runs"))]


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    """Of what can be told in a word."""
    for name, value in found.items():
        if value is None or isinstance(value, str | int | float):
            yield f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"


def _numbers(found: list[Any]) -> list[float]:
    return [float(value) for value in found if isinstance(value, int | float)]


def _object(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _objects(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
