"""Fit a pin's hook table to a vllm it was not written for, by syntax tree: what is there, what moved, what is gone.

A hook whose target is gone is set elsewhere only if that cannot be a mistake: exactly one module of the vllm package
defines the same qualified name, the name says enough (``Class.method``, or words joined by ``_``; not ``main``), and
the table does not hook that place already.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.engine.bindings import qualified_names
from harness.engine.hook_check import GoneHook, gone_hooks, syntax_tree
from harness.engine.patch_record import MovedHook
from harness.spec.hooks import Hook

NAMED = 3  # how many other places of a gone target are named


@dataclass(frozen=True)
class Fit:
    """A hook table as it can be installed."""

    hooks: tuple[Hook, ...]  # whose target is there, in the table's order; moved ones name their new module
    moved: tuple[MovedHook, ...]
    gone: tuple[GoneHook, ...]
    absent: tuple[GoneHook, ...]  # not there, which the table expects in some builds


def fit_hooks(hooks: Sequence[Hook], vllm_dir: Path, others: Iterable[Path]) -> Fit:
    """Look up every hook.

    Args:
        hooks: the table.
        vllm_dir: the package folder.
        others: further folders that hold top-level packages: site-packages, the standard library.
    """
    missing = {(hook.module, hook.name): hook for hook in gone_hooks(hooks, [vllm_dir.parent, *others])}
    places = _definitions(vllm_dir, {name for module, name in missing if _is_vllm(module)})
    hooked = {(hook.module, hook.name) for hook in hooks}
    fitting: list[Hook] = []
    moved: list[MovedHook] = []
    gone: list[GoneHook] = []
    for hook in hooks:
        if (problem := missing.get((hook.module, hook.name))) is None:
            fitting.append(hook)
            continue
        found = places.get(hook.name, []) if _is_vllm(hook.module) else []
        to = found[0] if len(found) == 1 and _says_enough(hook.name) else None
        if to is None or (to, hook.name) in hooked:
            elsewhere = ", ".join(f"{module}:{hook.name}" for module in found[:NAMED])
            gone.append(replace(problem, nearest=elsewhere or problem.nearest))
            continue
        hooked.add((to, hook.name))
        fitting.append(hook.model_copy(update={"module": to}))
        moved.append(MovedHook(module=hook.module, name=hook.name, to=to))
    return Fit(
        tuple(_with_windows(fitting, moved)),
        tuple(moved),
        tuple(hook for hook in gone if not hook.optional),
        tuple(hook for hook in gone if hook.optional),
    )


def _with_windows(hooks: Sequence[Hook], moved: Sequence[MovedHook]) -> Iterator[Hook]:
    """The hooks, but for those within the calls of one that is gone; one that moved is named at its new place."""
    places = {f"{each.module}:{each.name}": f"{each.to}:{each.name}" for each in moved}
    there = {f"{hook.module}:{hook.name}" for hook in hooks}
    for hook in hooks:
        within = hook.within and places.get(hook.within, hook.within)
        if within is None or within in there:
            yield hook if within == hook.within else hook.model_copy(update={"within": within})


def _is_vllm(module: str) -> bool:
    return module.partition(".")[0] == "vllm"


def _says_enough(name: str) -> bool:
    return "." in name or "_" in name.strip("_")


def _definitions(vllm_dir: Path, names: set[str]) -> dict[str, list[str]]:
    """Qualified name → the modules of the package that define it."""
    # Parsing a whole vllm takes a minute, looking for the words of a definition in it a second.
    words = {
        name: [re.compile(rb"\b(?:def|class)\s+" + part.encode() + rb"\b") for part in name.split(".")]
        for name in names
    }
    places: dict[str, list[str]] = {}
    for file in sorted(vllm_dir.rglob("*.py")) if names else ():
        text = file.read_bytes()
        likely = {name for name, patterns in words.items() if all(pattern.search(text) for pattern in patterns)}
        tree = syntax_tree(file) if likely else None
        for name in likely.intersection(qualified_names(tree)) if tree else ():
            places.setdefault(name, []).append(_module(vllm_dir, file))
    return places


def _module(vllm_dir: Path, file: Path) -> str:
    parts = file.relative_to(vllm_dir.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
