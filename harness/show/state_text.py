"""Declared states in words: levels of storage and of caches, and what a slot's starts declare and prove of them."""

from harness.analyse.dataset import MEASURED, Side
from harness.spec.state import PATH

_WORDS = {
    "ram": "in memory",
    "tmpfs": "a copy in memory",
    "ssd": "evicted",
    "as found": "only looked at",
    "all warm": "in memory",
    "warm": "shared objects in memory",
    "cold": "evicted",
}


def level(text: str) -> str:
    """``ssd (evicted)``; a level that says it all has no brackets."""
    words = _words(text)
    return f"{text} ({words})" if words else text


def storage_levels(*sides: Side) -> list[str]:
    """A sentence: ``case0: ram (in memory, proven), case1: ssd (evicted, proven)``; none if none declares a level."""
    told = [f"{side.slot}: {' and '.join(levels)}" for side in sides if (levels := _levels(side))]
    return [f"Storage of the weights – {', '.join(told)}."] if told else []


def _levels(side: Side) -> list[str]:
    """Each level that a case of the side declares; *proven* if it was proven of every measured start of such cases."""
    proven: dict[str, bool] = {}
    for case in side.cases:
        if declared := case.state.get("storage"):
            holds = all(each.loading and each.loading.proven for each in case.repeats if each.kind == MEASURED)
            proven[declared] = proven.get(declared, True) and holds
    return [
        f"{each} ({', '.join([*filter(None, [_words(each)]), 'proven' if holds else 'not proven'])})"
        for each, holds in proven.items()
    ]


def _words(text: str) -> str:
    return "evicted, on another disk" if text.startswith(PATH) else _WORDS.get(text, "")
