"""``python3 harness compare A B``: is B's start slower than A's, in which phases, and does that cross a gate."""

import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from harness.analyse.compare import Comparison, Differs, Gate, compare, differences, judge, pair
from harness.analyse.contrast import Contrast
from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.record.select import SelectError
from harness.record.sides import Side, Start, find_side
from harness.record.slotcheck import SlotError
from harness.show.compare_print import conclusion, gate_line, tables

_NARROWEST = 80  # columns; in fewer, numbers would be cut


class TooFewRuns(HarnessError):
    """A gate cannot be judged; the comparison itself was printed."""


@dataclass(frozen=True)
class Compared:
    """A comparison, ready to be shown: to people, and as a JSON document."""

    warnings: list[str]
    tables: RenderableType
    lines: list[str]  # the conclusion, and what the gate saw
    document: dict[str, Any]
    gate: Gate | None
    counts: str

    def show(self, as_json: bool) -> None:
        """Print it; where a program reads standard output, on standard error."""
        for warning in self.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        console = Console(highlight=False, stderr=as_json)
        console.width = max(_NARROWEST, console.width)
        console.print(self.tables)
        # Not through the console: it would break the lines that a CI log is searched for.
        for line in self.lines:
            print(line, file=sys.stderr if as_json else sys.stdout)

    def exit_code(self) -> int:
        """1 if the gate was crossed. Raises TooFewRuns if that cannot be told."""
        if self.gate and self.gate.crossed is None:
            raise TooFewRuns(
                f"too few runs to judge the gate ({self.counts}, each needs 2 or more); measure more starts"
            )
        return 1 if self.gate and self.gate.crossed else 0


def run_compare(runs: Path, a_text: str, b_text: str, kind: str, gate_text: str | None, as_json: bool) -> int:
    """Compare and print; returns the exit code: 1 if the gate was crossed.

    Raises:
        HarnessError: a side cannot be found or used, the gate is no percentage, or there are too few runs to judge it.
    """
    with json_errors(as_json):
        found = compared(runs, a_text, b_text, kind, gate_text)
    found.show(as_json)
    if as_json:
        print(json.dumps(found.document, allow_nan=False))
    return found.exit_code()


def compared(runs: Path, a_text: str, b_text: str, kind: str, gate_text: str | None) -> Compared:
    """Hold B's runs of ``kind`` against A's. ``runs`` is the store; errors as for ``run_compare``."""
    limit = None if gate_text is None else parse_gate(gate_text)
    a, b = _side(runs, a_text, kind), _side(runs, b_text, kind)
    warnings = _warnings(a, b)
    if pairs := pair(a.starts, b.starts):
        alone = len(a.starts) + len(b.starts) - 2 * len(pairs)
        a, b = _only(a, [first for first, _ in pairs]), _only(b, [second for _, second in pairs])
        if alone:
            have, are = ("start has", "is") if alone == 1 else ("starts have", "are")
            warnings.append(f"{alone} {have} no partner in its round and {are} left out")
    comparison, differs = compare(a.starts, b.starts), differences(a, b)
    gate = None if limit is None else judge(comparison.ready, limit)
    return Compared(
        warnings=warnings,
        tables=tables(a, b, comparison, differs),
        lines=[conclusion(comparison), *([gate_line(gate, comparison.ready)] if gate else [])],
        document=_document(a, b, comparison, differs, warnings, gate),
        gate=gate,
        counts=f"A has {len(a.starts)}, B {len(b.starts)}",
    )


def parse_gate(text: str) -> float:
    """``"5%"`` → 0.05. Only percent: 0.05 could mean either."""
    found = re.fullmatch(r"(\d{1,4}(?:\.\d{1,6})?)%", text)
    if not found:
        raise HarnessError(f"--gate is a percentage such as 5% or 2.5% (got '{text[:40]}')")
    return float(found[1]) / 100


def _side(runs: Path, text: str, kind: str) -> Side:
    try:
        return find_side(runs, text, kind)
    except (SelectError, SlotError) as error:
        raise HarnessError(printable(str(error), 1000)) from None


def _only(side: Side, used: list[Start]) -> Side:
    """The side with those of its starts that have a partner."""
    alone = len(side.starts) - len(used)
    left_out = side.left_out | ({"without a partner in its round": alone} if alone else {})
    return replace(side, starts=tuple(used), left_out=left_out)


def _warnings(a: Side, b: Side) -> list[str]:
    """What makes the two incomparable, or the comparison empty: one line each."""
    found = []
    if a.label == b.label:
        found.append("A and B are the same runs")
    if a.kind != b.kind:
        found.append(f"different kinds of runs: A is {a.kind}, B is {b.kind}")
    for what, group, fact, name in (
        ("machines", "machine", "id", "cpu_model"),
        ("models", "model", "files_sha256", "name"),
    ):
        ours, theirs = a.facts[group], b.facts[group]
        if ours.get(fact) != theirs.get(fact):
            said = " and ".join(
                f"{printable(str(facts.get(name)), 80)} ({printable(str(facts.get(fact))[:17], 80)})"
                for facts in (ours, theirs)
            )
            found.append(f"different {what}: {said}; a difference may be theirs")
    return found


def _document(
    a: Side, b: Side, comparison: Comparison, differs: Differs, warnings: list[str], gate: Gate | None
) -> dict[str, Any]:
    return {
        "a": _side_json(a),
        "b": _side_json(b),
        "paired": comparison.paired,
        "n": {"a": len(a.starts), "b": len(b.starts)},
        "ready": _contrast_json(comparison.ready),
        "phase_confidence": comparison.phase_confidence,
        "phases": [{"phase": name, **_contrast_json(line)} for name, line in comparison.phases.items()],
        "small": [{"phase": name, **_contrast_json(line)} for name, line in comparison.small.items()],
        "small_sum": comparison.small_sum and _contrast_json(comparison.small_sum),
        "differs": differs,
        "warnings": warnings,
        "gate": gate and {"limit": gate.limit, "crossed": gate.crossed, "crossed_from": gate.crossed_from},
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "label": side.label,
        "source": side.source,
        "kind": side.kind,
        "runs": [start.run for start in side.starts],
        "left_out": side.left_out,
    }


def _contrast_json(line: Contrast) -> dict[str, Any]:
    return {
        "a_mean_s": line.a_mean_s,
        "b_mean_s": line.b_mean_s,
        "difference_s": line.difference_s,
        "interval_s": line.interval_s,
        "ratio": line.ratio,
        "ratio_interval": line.ratio_interval,
        "verdict": line.verdict,
    }
