"""Starts that are known of, whether from the store or from a slot that travelled here, in one form.

A store knows everything of a run; a slot knows its seconds, its certificate and what marked it, but no log.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.analyse.timeline import Piece, follow_one_another
from harness.record.run import Run
from harness.record.slot import Slot
from harness.record.slotcheck import SlotError
from harness.record.tables import SLOT_TABLES, TIMELINE, parse_table

_TAIL_LINES = 40  # of a log, as many as people read before they open the file


@dataclass(frozen=True)
class KnownRun:
    """One start. Absent is None; seconds."""

    node: str
    case: str
    run_id: str  # <session>/<run>
    run: str
    kind: str
    status: str
    counts: bool
    source: str  # "store", or the slot it is known from
    model: str
    twin: bool
    pin: str | None
    version: str | None
    ready_s: float | None
    started_at: str | None = None
    failed_in: str | None = None
    failed_process: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    marks: tuple[str, ...] = ()
    certificate: Mapping[str, Any] = field(default_factory=dict)
    log_tail: tuple[str, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)
    by_process: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pieces: tuple[Piece, ...] = ()  # in the order of time; () where only sums are known
    window: Mapping[str, int] | None = None  # exec_ns and ready_ns on the clock of the spans
    folder: Path | None = None  # in the store

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other start."""
        return self.node, self.case, self.run_id

    @property
    def unattributed_share(self) -> float | None:
        """Part of exec→ready that no hook explains, 0…1."""
        return self.phases.get("unattributed", 0.0) / self.ready_s if self.phases and self.ready_s else None


def run_of_store(run: Run, folder: Path, pieces: Sequence[Piece]) -> KnownRun:
    """The run of a ``folder`` of the store; ``pieces`` are its timeline (none: it was never ready)."""
    return KnownRun(
        node=str(run.node.get("id")),
        case=folder.parent.name,
        run_id=run.run_id,
        run=run.run,
        kind=run.kind,
        status=run.status,
        counts=run.counts,
        source="store",
        model=str(run.model.get("name") or run.case.get("model") or "unknown model"),
        twin=bool(run.model.get("twin")),
        pin=_text(run.engine.get("pin")),
        version=_text(run.engine.get("version")),
        ready_s=run.ready_s,
        started_at=run.started_at,
        failed_in=run.failed_in,
        failed_process=run.failed_process,
        reason=run.reason,
        exit_code=run.exit_code,
        marks=tuple(run.marks),
        certificate=run.certificate,
        log_tail=tuple(run.log_tail[-_TAIL_LINES:]),
        phases=run.phases,
        by_process=run.phases_by_process,
        pieces=tuple(pieces) if follow_one_another(pieces) else (),
        window=run.window,
        folder=folder,
    )


def runs_of_slot(slot: Slot) -> list[KnownRun]:
    """Every run that the slot's manifest names.

    Raises:
        SlotError: its timelines are damaged.
    """
    manifest = slot.manifest
    cases = {case["case"]: case for case in manifest["cases"]}
    phases: dict[tuple[str, str], dict[str, float]] = {}
    for row in slot.rows:
        if row.source == "span":
            phases.setdefault((row.case, row.run), {})[row.phase] = row.seconds
    pieces = _timelines(slot)
    found = []
    for told in manifest["runs"]:
        case, where = cases[told["case"]], (told["case"], told["run"])
        certificate = manifest["certificates"].get(told["run_id"])
        seconds = phases.get(where, {}) if told["status"] == "ok" else {}
        found.append(
            KnownRun(
                node=manifest["node"]["id"],
                case=told["case"],
                run_id=f"{case['session']}/{told['run']}",
                run=told["run"],
                kind=told["kind"],
                status=told["status"],
                counts=told["status"] == "ok" if told.get("counts") is None else told["counts"],
                source=f"slot {manifest['slot']} of figure {manifest['figure']}",
                model=str(case["model"].get("name") or told["case"]),
                twin=bool(case["model"].get("twin")),
                pin=_text(case["engine"].get("pin")),
                version=_text(case["engine"].get("version")),
                ready_s=sum(seconds.values()) if seconds else None,
                marks=tuple(told.get("marks") or ()),
                certificate=_parts(certificate),
                phases=seconds,
                pieces=pieces.get(where, ()),
            )
        )
    return found


def all_runs(of_store: Iterable[KnownRun], of_slots: Iterable[KnownRun]) -> list[KnownRun]:
    """Each start once; what the store knows is more than what a slot does. By node, case and time."""
    known = {run.key: run for run in of_slots} | {run.key: run for run in of_store}
    return sorted(known.values(), key=lambda run: (run.node, run.case, run.started_at or "", *_order(run)))


def _order(run: KnownRun) -> tuple[str, bool, int]:
    session, _, name = run.run_id.rpartition("/")
    number = name.removeprefix("warmup-")
    return session, run.kind != "warmup", int(number) if number.isdecimal() and len(number) < 10 else 0


def _timelines(slot: Slot) -> dict[tuple[str, str], tuple[Piece, ...]]:
    if TIMELINE.name not in slot.tables:
        return {}
    rows: dict[tuple[str, str], list[Piece]] = {}
    for case, run, _, *piece in parse_table(SLOT_TABLES[TIMELINE.name], slot.tables[TIMELINE.name], TIMELINE.name):
        begin_s, end_s, phase, process = piece
        rows.setdefault((str(case), str(run)), []).append(Piece(float(begin_s), float(end_s), str(phase), str(process)))
    for (case, run), pieces in rows.items():
        if not follow_one_another(pieces):
            raise SlotError(f"{TIMELINE.name}: the pieces of {case} run {run} do not follow one another")
    return {where: tuple(pieces) for where, pieces in rows.items()}


def _parts(certificate: Any) -> dict[str, Any]:
    """The parts of a certificate that came from anywhere: those that say whether they hold."""
    parts = certificate.items() if isinstance(certificate, Mapping) else ()
    return {str(name): part for name, part in parts if isinstance(part, Mapping) and type(part.get("holds")) is bool}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
