"""The report's first screen in words: which machine, what ran on it, and each figure's own part."""

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.analyse.dataset import Side
from harness.analyse.known_runs import KnownRun
from harness.analyse.phases import COMPILE_LEAVES, GROUPS, PER_PROCESS_LEAVES, UNATTRIBUTED
from harness.analyse.rerun import of_case, of_figure
from harness.analyse.systems import System
from harness.show.caption import whose
from harness.show.command import FigureData
from harness.show.report.drawings import Drawn
from harness.show.report.page import FigureSection

_MACHINE = ("CPU", "GPU", "DRAM", "OS", "kernel", "SSD", "file system")


def machine(system: System) -> list[tuple[str, str]]:
    """This machine's facts, as far as it states them."""
    return [("node", system.name), *((row, system.values[row]) for row in _MACHINE if row in system.values)]


def what_ran(figures: Sequence[FigureData], runs: Sequence[KnownRun]) -> list[tuple[str, str]]:
    """Figures, starts, models and engines, counted."""
    own = [data.figure.figure for data in figures if data.own]
    outcomes = Counter("counted" if run.counts else "not counted" if run.status == "ok" else "failed" for run in runs)
    marked = sum(run.counts and bool(run.marks) for run in runs)
    starts = ", ".join(f"{outcomes[name]} {name}" for name in ("counted", "not counted", "failed") if outcomes[name])
    models = sorted({f"{run.model}{' (twin)' if run.twin else ''}" for run in runs})
    engines = sorted({f"vLLM {run.version} ({run.pin or 'unpinned'})" for run in runs if run.version})
    days = sorted({run.started_at[:10] for run in runs if run.started_at})
    rows = [
        ("figures", f"{len(own)} of {len(figures)} with own data{': ' + ', '.join(own) if own else ''}"),
        (
            "starts",
            (f"{len(runs)}: {starts}" + (f"; {marked} of those counted are marked" if marked else ""))
            if runs
            else "none",
        ),
        ("models", _few(models)),
        ("engines", _few(engines)),
        ("when", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]} (UTC)" if days else ""),
    ]
    return [(name, text) for name, text in rows if text]


def section(data: FigureData, drawn: Sequence[Drawn]) -> FigureSection:
    """One figure's part of the page."""
    figure = data.figure
    cells = [
        (str(slot.manifest["slot"]), of_case(figure, str(slot.manifest["slot"]), case))
        for slot in data.slots
        for case in slot.manifest["cases"]
    ]
    notes = list(dict.fromkeys(note for side in data.own for note in side.notes))
    return FigureSection(
        figure.figure,
        figure.question,
        "; ".join(_side(side) for side in data.own),
        tuple(drawn),
        tuple(notes),
        tuple(of_figure(figure)),
        tuple(cells),
    )


def families() -> Mapping[str, str]:
    """Base name of a phase → name of its colour on the page; the hues are those of the figures."""
    groups = (
        ("unattributed", (UNATTRIBUTED,)),
        ("imports", tuple(PER_PROCESS_LEAVES)),
        ("boot", ("launcher", *GROUPS["framework_bootstrap"])),
        ("load", (*GROUPS["model_loading"], "weight_postprocess")),
        ("compile", ("dynamo_transform_time", *COMPILE_LEAVES)),
        ("init", GROUPS["init_engine"]),
    )
    found: dict[str, str] = {}
    for name, leaves in groups:
        for leaf in leaves:
            found.setdefault(leaf, name)
    return found


def _side(side: Side) -> str:
    twins = ", structural twins" if side.twins else ""
    return f"slot {side.slot}, {whose(side)}{twins}"


def _few(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
