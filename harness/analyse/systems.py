"""The machines of a report, in the form of the paper's table of systems: facts in rows, nodes in columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.record.facts import flat
from harness.record.identity import core_list, listed
from harness.record.slotfacts import shown

Node = Mapping[str, Any]

# What no two nodes share, or what the table of systems says in better words.
_NOT_COMPARED = ("id", "gpu_uuids", "cpus")


@dataclass(frozen=True)
class Record:
    """What one start, or a slot's case, states of where it ran. ``whose``: this machine, measured here, merged."""

    node: Node
    whose: str
    engine: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """One column. ``values``: row → text, absent where nothing states it."""

    name: str
    whose: str
    values: Mapping[str, str]


ROWS = (
    "CPU",
    "GPU",
    "DRAM",
    "OS",
    "kernel",
    "Python",
    "CUDA",
    "driver",
    "PyTorch",
    "vLLM",
    "SSD",
    "file system",
)


def systems(records: Iterable[Record]) -> list[System]:
    """A column for each node, in the order of its first record."""
    return [_system(found) for found in _by_node(records)]


def differences(records: Iterable[Record]) -> dict[str, list[str | None]]:
    """Fact → its value on each node, of the facts that are not the same everywhere; None where a node has none.

    Facts of the machine, of the engines that were started on it, and variables that reached them. A node of which a
    whole group of these is not recorded (nothing was started there) differs from none in it.
    """
    found = _by_node(records)
    rows: dict[str, list[str | None]] = {}
    for group, facts_of in _COMPARED.items():
        facts = [facts_of(each) for each in found]
        for name in dict.fromkeys(name for each in facts for name in each):
            if len({each.get(name) for each in facts if each}) > 1:
                rows[f"{group}: {name}"] = [each.get(name) for each in facts]
    return rows


def _by_node(records: Iterable[Record]) -> list[list[Record]]:
    nodes: dict[str, list[Record]] = {}
    for record in records:
        nodes.setdefault(str(record.node.get("id")), []).append(record)
    return list(nodes.values())


def _machine(records: Sequence[Record]) -> dict[str, str]:
    node = records[0].node
    facts = {name: shown(value) for name, value in flat(dict(node)).items() if name not in _NOT_COMPARED}
    return facts | ({"cores": core_list(listed(node, "cpus"))} if "cpus" in node else {})


def _all_of(pairs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Name → its values in any of the records."""
    values: dict[str, list[str]] = {}
    for name, value in (item for pair in pairs for item in flat(dict(pair)).items()):
        values.setdefault(name, []).append(shown(value))
    return {name: ", ".join(sorted(set(found))) for name, found in values.items()}


_COMPARED: dict[str, Callable[[Sequence[Record]], dict[str, str]]] = {
    "machine": _machine,
    "engine": lambda records: _all_of(record.engine for record in records),
    "environment": lambda records: _all_of(record.environment for record in records),
}


def _system(records: Sequence[Record]) -> System:
    node, used = records[0].node, [record.engine for record in records]
    found = node.get("storage")
    storage = found if isinstance(found, Mapping) else {}
    values = {
        "CPU": _cpu(node),
        "GPU": _counted([str(gpu) for gpu in listed(node, "gpus")]) or ("none" if "gpus" in node else None),
        "DRAM": _memory(node.get("memory_bytes")),
        "OS": node.get("os"),
        "kernel": node.get("kernel"),
        "Python": _joined(engine.get("python") for engine in used) or node.get("python"),
        "CUDA": node.get("cuda_version"),
        "driver": node.get("driver_version"),
        "PyTorch": _joined(engine.get("torch") for engine in used),
        "vLLM": _joined(engine.get("version") for engine in used),
        "SSD": storage.get("device_model"),
        "file system": storage.get("file_system"),
    }
    told = {row: str(value) for row, value in values.items() if value is not None and value != ""}
    return System(str(node.get("id") or "unknown node"), records[0].whose, told)


def _cpu(node: Node) -> str | None:
    model = node.get("cpu_model")
    cpus = core_list(listed(node, "cpus"))
    count = len({cpu for cpu in listed(node, "cpus") if type(cpu) is int})
    cores = f"{count} hardware thread{'s' if count > 1 else ''} ({cpus})" if count else ""
    return ", ".join(part for part in (str(model) if model else "", cores) if part) or None


def _memory(found: Any) -> str | None:
    return f"{found / 2**30:.0f} GiB" if type(found) is int and 0 < found < 1 << 60 else None


def _counted(names: list[str]) -> str:
    return ", ".join(f"{names.count(name)}× {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names))


def _joined(values: Iterable[Any]) -> str | None:
    return ", ".join(sorted({str(value) for value in values if value})) or None
