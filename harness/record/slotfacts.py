"""What a slot's manifest says of its cases, as values that can be compared with another slot's and printed."""

import json
from collections.abc import Mapping
from typing import Any

from harness.record.identity import listed
from harness.record.plain import printable

Manifest = Mapping[str, Any]

AT_ONCE = "measured at once on one machine"  # the value of "parallel", a parameter of such cases
_OF_THE_NODE = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")  # what they choose is in the node's record
_GPUS_OF_A_START = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
_LONGEST = 80  # characters of a value


def storage(manifest: Manifest) -> list[str]:
    """The storage levels that the slot's starts declare: a parameter of the case, or a part of the certificate."""
    declared = {shown(case["parameters"]["storage"]) for case in manifest["cases"] if "storage" in case["parameters"]}
    for certificate in manifest["certificates"].values():
        part = certificate.get("storage") if isinstance(certificate, Mapping) else None
        if isinstance(part, Mapping) and part.get("declared") is not None:
            declared.add(shown(part["declared"]))
    return sorted(declared)


def gpus_of_a_start(manifest: Manifest) -> int:
    """How many GPUs its starts take, by their parameters: 1 where they say nothing."""
    most = max((gpus_asked_for(case["parameters"]) for case in manifest["cases"]), default=1)
    return min(most, max(len(listed(manifest["node"], "gpu_uuids")), 1))


def gpus_asked_for(parameters: Mapping[str, Any]) -> int:
    """How many GPUs an engine with these arguments takes: 1 where they say nothing."""
    product = 1
    for name in _GPUS_OF_A_START:
        value = parameters.get(name)
        product *= value if type(value) is int and value > 0 else 1
    return product


def at_once(manifest: Manifest) -> bool:
    """Whether it says that its starts were made at once with the other slot's, on one machine."""
    return any(case["parameters"].get("parallel") == AT_ONCE for case in manifest["cases"])


def machine(manifest: Manifest) -> dict[str, Any]:
    """What two nodes that are GPUs of one machine have in common."""
    return {key: manifest["node"].get(key) for key in ("cpu_model", "cpus", "memory_bytes", "kernel")}


def by_model(manifest: Manifest) -> dict[str, list[Manifest]]:
    """Its cases by the name of their model."""
    models: dict[str, list[Manifest]] = {}
    for case in manifest["cases"]:
        models.setdefault(shown(case["model"].get("name") or case["case"]), []).append(case)
    return models


def setting(case: Manifest, differ: str) -> str:
    """What tells a case from others of its model: engine and parameters."""
    values = sorted(parameters(case, differ).items())
    return " ".join([shown(case["engine"].get("pin")), *(f"{key}={shown(value)}" for key, value in values)])


def parameters(case: Manifest, differ: str) -> dict[str, Any]:
    """The parameters that must be equal: all but the declared difference."""
    return {key: value for key, value in case["parameters"].items() if key != "storage" or differ != "storage"}


def state(case: Manifest, differ: str) -> dict[str, Any]:
    """The declared state of the case's starts, without the declared difference; empty in older slots."""
    found = case.get("state")
    given = found if isinstance(found, Mapping) else {}
    return {key: value for key, value in given.items() if key != "storage" or differ != "storage"}


def environment(case: Manifest) -> dict[str, Any]:
    """The variables that define the case, without those that choose a device; empty where it states none."""
    given = case.get("environment")
    if not isinstance(given, Mapping):
        return {}
    return {key: value for key, value in given.items() if key not in _OF_THE_NODE}


def counted(manifest: Manifest, case: Manifest, kind: str) -> int:
    """How many starts of this kind count."""
    runs = (run for run in manifest["runs"] if (run["case"], run["kind"]) == (case["case"], kind))
    return sum(run["status"] == "ok" if run.get("counts") is None else run["counts"] for run in runs)


def shown(value: Any) -> str:
    """A value as a few printable characters; of a hash, as many as tell it from another."""
    if isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"):
        return f"{value[:12]}…"
    if value is None or value == []:
        return "none"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value), _LONGEST)
    return printable(value if isinstance(value, str) else canonical(value), _LONGEST)


def shown_apart(one: Any, other: Any) -> tuple[str, str]:
    """Two different values, printed so that what differs is seen: of lists what is in only one, of texts the end."""
    if isinstance(one, list) and isinstance(other, list) and set(map(canonical, one)) != set(map(canonical, other)):
        return _alone(one, other), _alone(other, one)
    first, second = shown(one), shown(other)
    if first != second:
        return first, second
    first, second = (value if isinstance(value, str) else canonical(value) for value in (one, other))
    same = next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(first), len(second)) if same is None else same
    begin = max(same - _LONGEST // 2, 0)
    return printable(f"…{first[begin:]}", _LONGEST), printable(f"…{second[begin:]}", _LONGEST)


def canonical(value: Any) -> str:
    """The same text for equal JSON values."""
    return json.dumps(value, sort_keys=True)


def _alone(items: list[Any], others: list[Any]) -> str:
    alone = [shown(item) for item in items if item not in others]
    return printable(", ".join(alone), 3 * _LONGEST) if alone else "nothing else"
