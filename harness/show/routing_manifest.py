"""What the manifest of a routing slot says beside its tables. A slot comes from anywhere: what is not there is empty.

engine  {"pin": …}
models  name → {"twin": its weights are random}
labels  label → {"parameters": {…}, "routers": strategy → {"class": …, "parameters": {…}}}
runs    [{"label", "strategy", "case", "repeat", "client_cpu_share", "send_error_p99_s"}, …]
"""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.record.study_slot import StudySlot


def pin(slot: StudySlot) -> str:
    """The engine's pin."""
    return str(_part(slot.manifest, "engine").get("pin") or "an engine of no name")


def models(slot: StudySlot, twin: bool) -> list[str]:
    """Names of the models that are, or are not, structural twins."""
    return [name for name, facts in _part(slot.manifest, "models").items()
            if isinstance(facts, dict) and bool(facts.get("twin")) == twin]  # fmt: skip


def parameters(slot: StudySlot, label: str) -> list[str]:
    """``name=value`` of the label's parameters."""
    return list(_told(_part(slot.manifest, "labels", label, "parameters")))


def router(slot: StudySlot, label: str, strategy: str) -> list[str]:
    """A strategy's class without its module, then ``name=value`` of its parameters; empty if they are not recorded."""
    facts = _part(slot.manifest, "labels", label, "routers", strategy)
    if not facts:
        return []
    return [str(facts.get("class", "of unknown class")).rpartition(".")[2], *_told(_part(facts, "parameters"))]


def client_loads(slot: StudySlot, label: str, fact: str) -> list[float]:
    """``client_cpu_share`` (of a core) or ``send_error_p99_s`` of each run that has it."""
    runs = slot.manifest.get("runs")
    of_label = [run for run in (runs if isinstance(runs, list) else []) if _part(run).get("label") == label]
    return [float(value) for run in of_label if isinstance(value := run.get(fact), int | float)]


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    """Of what can be told in a word."""
    for name, value in found.items():
        if value is None or isinstance(value, str | int | float):
            yield f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"


def _part(found: Any, *path: str) -> dict[str, Any]:
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
