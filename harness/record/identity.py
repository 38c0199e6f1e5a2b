"""What makes two nodes the same to a figure that compares GPUs or CPUs, from the facts of their records.

A GPU is its UUID. A CPU is its model and the set of its cores that a start may use: two core sets of one machine are
two nodes, and so are two machines with different CPUs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.record.plain import printable

_LONGEST = 60  # characters of a name in a line


def same_identity(node: Mapping[str, Any], other: Mapping[str, Any], differ: str | None, used: int = 1) -> str | None:
    """Why the two nodes are the same in what the figure wants to ``differ``, and what to do; None if they are not.

    ``used``: how many GPUs a start takes: of those that are visible, the first ones. The storage of a run is no fact
    of its node: two nodes are never the same in that.
    """
    if differ == "gpu":
        return _same_gpus(node, other, used)
    return _same_cpus(node, other) if differ == "cpu" else None


def core_list(cpus: Iterable[Any]) -> str:
    """``[0, 1, 2, 5]`` → ``"0-2,5"``, as taskset reads it."""
    ranges: list[list[int]] = []
    for cpu in sorted({cpu for cpu in cpus if type(cpu) is int}):
        if ranges and cpu == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], cpu]
        else:
            ranges.append([cpu])
    return ",".join("-".join(map(str, ends)) for ends in ranges)


def listed(node: Mapping[str, Any], key: str) -> list[Any]:
    """A list of the node's record; empty where it has none."""
    value = node.get(key)
    return value if isinstance(value, list) else []


def _same_gpus(node: Mapping[str, Any], other: Mapping[str, Any], used: int) -> str | None:
    first, second = (_texts(listed(each, "gpu_uuids")[:used]) for each in (node, other))
    if set(first) != set(second):
        return None
    if not first:
        return "neither has a GPU"
    names = _texts(listed(node, "gpus")[:used])
    return f"both are {', '.join(first)} ({', '.join(names)}); choose another with CUDA_VISIBLE_DEVICES"


def _same_cpus(node: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    models = [node.get("cpu_model"), other.get("cpu_model")]
    cores = [core_list(listed(each, "cpus")) for each in (node, other)]
    if models[0] != models[1] or cores[0] != cores[1]:
        return None
    model = printable(str(models[0] or "unknown CPU"), _LONGEST)
    return f"both are cores {printable(cores[0], _LONGEST)} of {model}; choose other cores with taskset --cpu-list"


def _texts(values: Sequence[Any]) -> list[str]:
    return [printable(str(value), _LONGEST) for value in values]
