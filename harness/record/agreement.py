"""Do the slots of one figure fit together? What must be equal in them is, and what they compare differs.

Equal must be: engine (pin, version, lock, patches, Python, torch), models and their files, parameters, environment,
what was sampled, and how many starts count. Only the declared difference may and must differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from harness.record.identity import same_identity as same_identity
from harness.record.slotfacts import (
    AT_ONCE,
    Manifest,
    at_once,
    by_model,
    canonical,
    counted,
    environment,
    gpus_of_a_start,
    machine,
    parameters,
    setting,
    shown,
    shown_apart,
    state,
    storage,
)

_ENGINE = {
    "pin": "engines",
    "version": "vLLM versions",
    "lock_sha256": "requirement locks",
    "patches_sha256": "patch sets",
    "python": "Python versions of the engine",
    "torch": "torch builds",
}


def disagreements(manifests: Sequence[Manifest], differ: str | None) -> list[str]:
    """Why these slots do not make one figure: printable lines that name slots and both values; [] if they do.

    ``differ``: what the figure compares (``harness.spec.figure.Difference``). Where it compares nothing, any machines
    may stand side by side, and only a slot that is there twice is wrong.
    """
    pairs = [_Pair(one, other) for one, other in combinations(manifests, 2)]
    twice = [pair for pair in pairs if pair.one["slot"] == pair.other["slot"]]
    if twice or differ is None:
        return [
            f"slot {p.names[0]} is there twice: of {p.one['node']['id']} and {p.other['node']['id']}" for p in twice
        ]
    with_the_first = pairs[: max(len(manifests) - 1, 0)]
    return [line for pair in with_the_first for line in _unequal(pair, differ)] + [
        f"{pair.names[0]} and {pair.names[1]} do not differ in {differ}: {same}"
        for pair in pairs
        if (same := _same(pair, differ))
    ]


def confounders(manifests: Sequence[Manifest], differ: str | None) -> list[str]:
    """What differs besides the declared difference and may explain a result too: the GPUs of two CPUs, or vice versa.

    It is not refused (two machines seldom differ in one thing only), but it must be said.
    """
    key, what = {"cpu": ("gpus", "GPUs"), "gpu": ("cpu_model", "CPU models")}.get(differ or "", ("", ""))
    pairs = [_Pair(manifests[0], other) for other in manifests[1:]] if key else []
    return [
        line
        for pair in pairs
        for line in pair.compare(what, *(each["node"].get(key) for each in (pair.one, pair.other)))
    ]


def unfinished(manifest: Manifest) -> str | None:
    """Which case of the slot lacks measured starts that count: none at all, or fewer than its other cases; or None."""
    counts = {case["case"]: counted(manifest, case, "measured") for case in manifest["cases"]}
    most = max(counts.values(), default=0)
    for case, count in counts.items():
        if count < max(most, 1):
            wanted = f"{count} of {most} measured starts that count" if most else "no measured start that counts"
            return f"{shown(case)} has {wanted}"
    return None if counts else "it has no case"


@dataclass(frozen=True)
class _Pair:
    """Two slots, and lines that name them."""

    one: Manifest
    other: Manifest

    @property
    def names(self) -> tuple[str, str]:
        return shown(self.one["slot"]), shown(self.other["slot"])

    def compare(self, what: str, one: Any, other: Any) -> list[str]:
        """A line if the values differ. ``what`` is in the plural."""
        if canonical(one) == canonical(other):
            return []
        (first, second), (value, value2) = self.names, shown_apart(one, other)
        return [f"{what} differ: {first} has {value}, {second} has {value2}"]


def _unequal(pair: _Pair, differ: str) -> list[str]:
    lines = pair.compare("figures", pair.one["figure"], pair.other["figure"])
    lines += _engines(pair)
    if all(at_once(each) for each in (pair.one, pair.other)):
        lines += pair.compare(f"machines of slots {AT_ONCE}", *(machine(each) for each in (pair.one, pair.other)))
    models, others = by_model(pair.one), by_model(pair.other)
    lines += pair.compare("models", sorted(models), sorted(others))
    for model in sorted(models.keys() & others.keys()):
        lines += _cases(pair, model, models[model], others[model], differ)
    tables = [sorted(str(entry["name"]) for entry in each["files"]) for each in (pair.one, pair.other)]
    return lines + pair.compare("tables", *tables)


def _engines(pair: _Pair) -> list[str]:
    """A pin states version, lock and patches: where the pins differ, the rest need not be said."""
    for key, what in _ENGINE.items():
        values = [sorted({shown(case["engine"].get(key)) for case in each["cases"]}) for each in (pair.one, pair.other)]
        if lines := pair.compare(what, *values):
            return lines
    return []


def _cases(pair: _Pair, model: str, ones: list[Manifest], others: list[Manifest], differ: str) -> list[str]:
    """What differs between the cases of one model."""
    if len(ones) == len(others) == 1:
        return _case(pair, model, ones[0], others[0], differ)
    first, second = ({setting(case, differ): case for case in cases} for cases in (ones, others))
    lines = pair.compare(f"settings of {model}", sorted(first), sorted(second))
    for each in sorted(first.keys() & second.keys()):
        lines += _case(pair, f"{model} {each}", first[each], second[each], differ)
    return lines


def _case(pair: _Pair, name: str, one: Manifest, other: Manifest, differ: str) -> list[str]:
    """What differs between two cases of the same model."""
    name = shown(name)
    lines = pair.compare(f"model files of {name}", *(case["model"].get("files_sha256") for case in (one, other)))
    kinds = ("structural twin" if case["model"].get("twin") else "original" for case in (one, other))
    lines += pair.compare(f"kinds of model files of {name}", *kinds)
    lines += _entries(pair, f"of {name}", *(parameters(case, differ) for case in (one, other)))
    if "environment" in one and "environment" in other:
        lines += _entries(pair, f"in the environment of {name}", *(environment(case) for case in (one, other)))
    lines += _entries(pair, f"in the state of {name}", *(state(case, differ) for case in (one, other)))
    lines += pair.compare(f"samples of {name}", one.get("samples"), other.get("samples"))
    counts = [counted(each, case, "measured") for each, case in ((pair.one, one), (pair.other, other))]
    lines += pair.compare(f"measured starts of {name} that count", *counts)
    warm = ["one" if counted(each, case, "warmup") else "none" for each, case in ((pair.one, one), (pair.other, other))]
    lines += pair.compare(f"warm-up starts of {name} that count", *warm)
    if not lines and differ != "storage" and not _engines(pair):  # the name's hash is over all that defines a case
        what = f"definitions of {name} (environment, or the version of this repository)"
        lines += pair.compare(what, one["case"], other["case"])
    return lines


def _entries(pair: _Pair, where: str, one: Manifest, other: Manifest) -> list[str]:
    """One line for each name whose value differs."""
    return [
        line
        for key in sorted(one.keys() | other.keys())
        for line in pair.compare(f"values of {shown(key)} {where}", one.get(key), other.get(key))
    ]


def _same(pair: _Pair, differ: str) -> str | None:
    if differ != "storage":
        return same_identity(pair.one["node"], pair.other["node"], differ, gpus_of_a_start(pair.one))
    one, other = (storage(each) for each in (pair.one, pair.other))
    return f"both declare {', '.join(one) or 'none'}" if one == other else None
