"""Whether runs were made on the same machine in the same state: of two, their mean would be of neither.

A node's name holds its CPUs, memory, GPUs and kernel. What else decides how long a start takes is compared here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.record.run import Run

_NODE = {"driver_version": "the NVIDIA driver", "os": "the operating system"}
_RESULTS = {"file_system": "the file system of the results", "device_model": "the disk of the results"}
_MODEL = {"kind": "the file system of the model", "device_model": "the disk of the model"}


def conditions(node: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared, by its name for people; what is not stated is left out.

    ``model``: the file system of the model's files, as certificates have it.
    """
    results = node.get("storage")
    groups = ((_NODE, node), (_RESULTS, results), (_MODEL, model))
    return {
        name: facts[key]
        for names, facts in groups
        if isinstance(facts, Mapping)
        for key, name in names.items()
        if key in facts
    }


def conditions_of(run: Run) -> dict[str, Any]:
    """The same of a run's record."""
    return conditions(run.node, run.certificate.get("storage", {}).get("file_system") or {})


def what_changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first condition that differs, in a few words; None: all that both state are the same."""
    differing = (name for name in was if name in now and was[name] != now[name])
    return next((f"{name} was {was[name]}, is {now[name]}" for name in differing), None)


def mixed(runs: Sequence[Run]) -> str | None:
    """What changed between these runs, and in which; None: they can be averaged."""
    for run in runs[1:]:
        if change := what_changed(conditions_of(runs[0]), conditions_of(run)):
            return f"{change} (runs {runs[0].run_id} and {run.run_id})"
    return None
