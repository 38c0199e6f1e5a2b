"""What the manifest of a routing slot says beside its tables, as ``harness/analyse/routing_manifest.py`` writes it.

A slot comes from anywhere: what is not there, or of another kind, is empty.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.record.study_slot import StudySlot


def pin(slot: StudySlot) -> str:
    """The engine's pin."""
    return str(_object(slot.manifest.get("engine")).get("pin") or "an engine of no name")


def models(slot: StudySlot, twin: bool) -> list[str]:
    """Names of the models that are, or are not, structural twins."""
    found = _object(slot.manifest.get("models"))
    return [name for name, facts in found.items() if bool(_object(facts).get("twin")) == twin]


def parameters(slot: StudySlot, label: str) -> list[str]:
    """``name=value`` of what all runs of the label share and is known."""
    found = _object(_label(slot, label).get("parameters"))
    return list(_told({name: value for name, value in found.items() if value is not None}))


def router(slot: StudySlot, label: str, strategy: str) -> list[str]:
    """A strategy's class without its module, then ``name=value`` of its parameters; empty if they are not recorded."""
    facts = _object(_object(_label(slot, label).get("routers")).get(strategy))
    if not facts:
        return []
    name = str(facts.get("class") or "of unknown class").replace(":", ".").rpartition(".")[2]
    return [name, *_told(_object(facts.get("parameters")))]


def clients(slot: StudySlot, label: str, fact: str) -> list[float]:
    """``client_cpu_share`` (of a core) or ``send_error_p99_s`` of each run that has it."""
    return [float(value) for run in _runs(slot, label) if isinstance(value := run.get(fact), int | float)]


def accounts(slot: StudySlot, label: str) -> tuple[int, int]:
    """How many runs were accounted for, and how many of them exactly."""
    found = [account for run in _runs(slot, label) if (account := _object(run.get("accounting")))]
    return len(found), sum(account.get("is_exact") is True for account in found)


def _label(slot: StudySlot, label: str) -> dict[str, Any]:
    return _object(_object(slot.manifest.get("labels")).get(label))


def _runs(slot: StudySlot, label: str) -> list[dict[str, Any]]:
    runs = slot.manifest.get("runs")
    found = map(_object, runs if isinstance(runs, list) else [])
    return [run for run in found if run.get("label") == label]


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    """Of what can be told in a word."""
    for name, value in found.items():
        if value is None or isinstance(value, str | int | float):
            yield f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"


def _object(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
