"""The ladder's declaration: which state keeps nothing, which keeps one kind alone, which keeps everything.

They are told by what they are, not by their names: a kind is a field of the state, and a rung keeps the kind in which
it differs from the state that keeps nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.analyse.dataset import CaseData
from harness.errors import HarnessError
from harness.spec.figure import Figure
from harness.spec.state import PATH, StartState

NOTHING, EVERYTHING = "nothing", "everything"
KINDS = tuple(StartState.model_fields)
_UNKNOWN = "as found"


@dataclass(frozen=True)
class Rungs:
    """The declared states: NOTHING, then each kind that is kept alone, in the declared order, EVERYTHING last."""

    states: Mapping[str, StartState]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be kept."""
        return tuple(key for key in self.states if key in KINDS)

    def cases(self, cases: Iterable[CaseData]) -> dict[str, CaseData]:
        """Those of the cases that start from a declared state, by its key; other cases are none of the ladder's.

        Raises:
            HarnessError: two cases start from the same state.
        """
        found: dict[str, CaseData] = {}
        for case in cases:
            for key, state in self.states.items():
                if state.declared() != case.state:
                    continue
                if key in found:
                    raise HarnessError(f"two cases of {case.model} keep the same ({key}); draw their slots apart")
                found[key] = case
        return {key: found[key] for key in self.states if key in found}


def rungs_of(figure: Figure) -> Rungs:
    """The ladder that a figure declares.

    Raises:
        HarnessError: a state keeps two kinds and not all, or keeps a kind otherwise than the state that keeps
        everything; or one of the states is missing or there twice.
    """
    where = f"figures/figure-{figure.figure}/figure.yaml: states"
    bottom = _the_one(figure, NOTHING, where)
    top = _the_one(figure, EVERYTHING, where)
    kept: dict[str, StartState] = {}
    for name, state in figure.states.items():
        if state in (bottom, top):
            continue
        kinds = [kind for kind in KINDS if getattr(state, kind) != getattr(bottom, kind)]
        if len(kinds) != 1:
            raise HarnessError(f"{where}: '{name}' keeps {' and '.join(kinds)}; a rung keeps one kind, or all of them")
        (kind,) = kinds
        level, all_kept = getattr(state, kind), getattr(top, kind)
        if level != all_kept:
            raise HarnessError(f"{where}: '{name}' has {kind} {level}, but the state that keeps all has {all_kept}")
        if kind in kept:
            raise HarnessError(f"{where}: '{name}' keeps {kind}, and another state does")
        kept[kind] = state
    if missing := [kind for kind in KINDS if kind not in kept]:
        raise HarnessError(f"{where}: none keeps {missing[0]} alone; without it the steps cannot add up")
    return Rungs({NOTHING: bottom, **kept, EVERYTHING: top})


def _the_one(figure: Figure, which: str, where: str) -> StartState:
    fits = _keeps_nothing if which == NOTHING else _keeps_everything
    found = [name for name, state in figure.states.items() if fits(state)]
    if len(found) != 1:
        names = f" ({', '.join(found)})" if found else ""
        raise HarnessError(f"{where}: {len(found)} of them keep {which}{names}; a ladder needs one")
    return figure.states[found[0]]


def _keeps_nothing(state: StartState) -> bool:
    return all(_is_lost(str(getattr(state, kind))) for kind in KINDS)


def _keeps_everything(state: StartState) -> bool:
    return not any(_is_lost(level) or level == _UNKNOWN for level in (str(getattr(state, kind)) for kind in KINDS))


def _is_lost(level: str) -> bool:
    """Whether a level of any kind keeps nothing: evicted from memory, or empty."""
    return level in ("ssd", "cold", "empty") or level.startswith(PATH)
