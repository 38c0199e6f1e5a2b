"""Every run as a page can explore it: who was at work when, in which phase, and at which hook; names told once.

Of one run there are hundreds of pieces and of a store hundreds of runs, so pieces are rows of small whole numbers into
tables of names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.analyse.known_runs import KnownRun
from harness.analyse.phases import LEAVES, PER_PROCESS_LEAVES, ROLES, UNATTRIBUTED
from harness.analyse.startup import leaf_order
from harness.analyse.timeline import Piece

TICKS_PER_S = 10_000  # pieces are told to 0.1 ms
MOST_PIECES = 250_000  # of all runs together: about 6 MB
SHORTEST_KEPT_S = 0.001  # where there are more

Hooks = Sequence[str | None]  # a place in the source, in words, for each piece


@dataclass(frozen=True)
class Explored:
    """One run and where each of its pieces comes from."""

    run: KnownRun
    pieces: tuple[Piece, ...]
    hooks: tuple[str | None, ...]
    ordered: bool  # False: only sums are known, drawn in the order in which a start usually passes through them


@dataclass
class Names:
    """A table of texts; the same text has the same number."""

    texts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """The text's place in the table."""
        if text not in self.numbers:
            self.numbers[text] = len(self.texts)
            self.texts.append(text)
        return self.numbers[text]


def explored(run: KnownRun, hooks: Hooks | None = None) -> Explored | None:
    """The run to explore, with ``hooks`` for each of its pieces; None if nothing is known of what it did when."""
    if run.pieces:
        return Explored(run, run.pieces, tuple(hooks or [None] * len(run.pieces)), True)
    pieces = tuple(_in_usual_order(run))
    return Explored(run, pieces, (None,) * len(pieces), False) if pieces else None


def document(runs: Iterable[Explored], meaning_of: Mapping[str, str], families: Mapping[str, str]) -> dict[str, Any]:
    """The runs as JSON that a page reads.

    ``meaning_of``: phase → meaning; ``families``: base name of a phase → name of its colour.
    """
    every = list(runs)
    fewer = sum(len(each.pieces) for each in every) > MOST_PIECES
    phases, roles, hooks = Names(), Names(), Names()
    hooks.number("")
    told = [_run(each, fewer, phases, roles, hooks) for each in every]
    return {
        "ticks_per_s": TICKS_PER_S,
        "left_out_below_s": SHORTEST_KEPT_S if fewer else None,
        "phases": [[name, meaning_of.get(_base(name), ""), families.get(_base(name), "")] for name in phases.texts],
        "roles": roles.texts,
        "hooks": hooks.texts,
        "runs": told,
    }


def meanings() -> dict[str, str]:
    """Base name of a phase → what it means."""
    return {**LEAVES, **PER_PROCESS_LEAVES, UNATTRIBUTED: "time that no hook explains: glue between the phases"}


def _run(each: Explored, fewer: bool, phases: Names, roles: Names, hooks: Names) -> dict[str, Any]:
    run = each.run
    pieces = [
        [
            round(piece.begin_s * TICKS_PER_S),
            round(piece.end_s * TICKS_PER_S) - round(piece.begin_s * TICKS_PER_S),
            phases.number(piece.phase),
            roles.number(piece.process),
            hooks.number(hook or ""),
        ]
        for piece, hook in zip(each.pieces, each.hooks, strict=True)
        if not fewer or piece.seconds >= SHORTEST_KEPT_S
    ]
    return {
        "case": run.case,
        "run": run.run_id,
        "node": run.node,
        "kind": run.kind,
        "ready_s": run.ready_s,
        "counts": run.counts,
        "ordered": each.ordered,
        "pieces": pieces,
    }


def _in_usual_order(run: KnownRun) -> Iterable[Piece]:
    """The run's sums one after the other, process by process where that is known."""
    by_process = run.by_process or {"": run.phases}
    spent = [
        (ROLES.index(role) if role in ROLES else len(ROLES), leaf_order(leaf), leaf, role, seconds)
        for role, leaves in by_process.items()
        for leaf, seconds in leaves.items()
        if seconds > 0
    ]
    end_s = 0.0
    for _, _, leaf, role, seconds in sorted(spent):
        yield Piece(end_s, end_s + seconds, leaf, role or leaf.partition(":")[2] or "all processes")
        end_s += seconds


def _base(phase: str) -> str:
    return phase.partition(":")[0]
