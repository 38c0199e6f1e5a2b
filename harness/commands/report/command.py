"""``python3 harness report``: everything that was measured and judged here, as one HTML file."""

import gc
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.analyse.badges import functional, reproduced
from harness.analyse.explorer import document, meanings
from harness.analyse.judge import judge_all
from harness.analyse.judged import Judged
from harness.analyse.known_runs import KnownRun, all_runs, runs_of_slot
from harness.analyse.systems import ROWS, Record, System, differences, systems
from harness.commands.claims.evidence_files import own_evidence, this_machine
from harness.commands.report.figures import ReportFigure, chosen_figures, read_figures
from harness.commands.report.runs import explored_runs, stored_runs
from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.atomic import write_text
from harness.record.plain import printable
from harness.record.slotcheck import SlotError
from harness.show.report.claims import claim_rows, verdict_counts
from harness.show.report.page import Page, render
from harness.show.report.runs import case_tables, certified, troubled
from harness.show.report.summary import families, machine, section, what_ran
from harness.spec.claims import load_claims
from harness.spec.paper_nodes import PaperNode, load_paper_nodes
from harness.state.machine import this_node
from harness.workspace import Workspace

DEFAULT_OUT = Path("report.html")
_LONGEST = 1000  # characters of a problem


def run_report(out: Path, folders: Sequence[Path], numbers: Sequence[str], as_json: bool, workspace: Workspace) -> int:
    """Write the report to ``out`` and print its path.

    ``folders``: slots, or folders of them, that it is made from instead of this checkout's slots and runs.
    ``numbers``: of the figures to show; none: all.

    Raises:
        HarnessError: an unknown figure, a folder without slots, or a place that cannot be written.
    """
    with json_errors(as_json), _no_collections():
        target = _target(out, workspace)
        figures = chosen_figures(numbers, workspace)
        shown, problems = read_figures(figures, folders, workspace)
        evidence = own_evidence(workspace, folders)
        wanted = {figure.figure for figure in figures}
        claims = [claim for claim in load_claims() if not numbers or claim.figure in wanted]
        judged = judge_all(claims, evidence, this_machine(workspace))
        problems += [
            f"claims about figure {number} are not judged: {why}"
            for number, why in evidence.problems.items()
            if number in wanted and why not in problems
        ]
        page = _page(shown, judged, problems, bool(folders), workspace)
        text = render(page)
        try:
            write_text(target, text)
        except OSError as error:
            raise HarnessError(f"{out}: cannot be written ({error.strerror}); name another place with --out") from None
    for problem in page.problems:
        print(f"warning: {printable(problem, _LONGEST)}", file=sys.stderr)
    print(out, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(_document(out, len(text.encode()), page)))
    return 0


@contextmanager
def _no_collections() -> Iterator[None]:
    """Drawings are objects in cycles by the hundred thousand: collecting takes a seventh of the time, for 60 MB."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _target(out: Path, workspace: Workspace) -> Path:
    """Where to write; refused before anything is read."""
    if out.is_dir() or (out.exists() and not out.is_file()):
        raise HarnessError(f"{out}: is not a regular file; name a file with --out")
    target = out.resolve()  # a link stays one: what it points to is written
    if not target.parent.is_dir():
        raise HarnessError(f"{out}: there is no folder {out.parent}; make it, or name another with --out")
    if target.is_relative_to(workspace.runs.resolve()):
        raise HarnessError(f"{out}: lies in the run store, which is never written to by hand; name another place")
    return target


def _page(
    shown: Sequence[ReportFigure],
    judged: Sequence[Judged],
    problems: Sequence[str],
    only_slots: bool,
    workspace: Workspace,
) -> Page:
    here = Record(this_node(workspace.root), "this machine")
    stored, records, damaged = ([], [], []) if only_slots else stored_runs(workspace)
    more = [*problems, *damaged]
    runs = all_runs(stored, _runs_of_slots(shown, more))
    records = [here, *records, *_records_of_slots(shown)]
    columns = systems(records)
    return Page(
        machine=machine(columns[0]),
        ran=what_ran([each.data for each in shown], runs),
        badges=(functional(_own_figure_2(shown, runs), "bash run_figure.sh 2"), reproduced(judged, _originals(shown))),
        certificates=certified(runs),
        verdicts=verdict_counts(judged),
        claims=claim_rows(judged),
        figures=[section(each.data, each.drawings) for each in shown],
        explorer=document(explored_runs(runs, workspace), meanings(), families()),
        cases=case_tables(runs),
        troubled=troubled(runs),
        system_rows=ROWS,
        systems=[*columns, *map(_paper_system, load_paper_nodes().nodes)],
        systems_source=load_paper_nodes().source,
        nodes=[column.name for column in columns],
        differences=differences(records),
        problems=more,
    )


def _runs_of_slots(shown: Sequence[ReportFigure], problems: list[str]) -> list[KnownRun]:
    found = []
    for each in shown:
        for slot in each.data.slots:
            try:
                found += runs_of_slot(slot)
            except SlotError as error:
                problems.append(f"figure {each.figure.figure}, slot {slot.manifest['slot']}: {error}")
    return found


def _records_of_slots(shown: Sequence[ReportFigure]) -> list[Record]:
    words = {"mine": "measured here", "merged": "merged"}
    return [
        Record(slot.manifest["node"], words[side.whose], case["engine"], case.get("environment") or {})
        for each in shown
        for side, slot in zip(each.data.own, each.data.slots, strict=True)
        for case in slot.manifest["cases"]
    ]


def _own_figure_2(shown: Sequence[ReportFigure], runs: Sequence[KnownRun]) -> list[KnownRun]:
    """The starts behind figure 2's own slots."""
    cases = {
        (slot.manifest["node"]["id"], case["case"], case["session"])
        for each in shown
        if each.figure.figure == "2"
        for side, slot in zip(each.data.own, each.data.slots, strict=True)
        if side.whose == "mine"
        for case in slot.manifest["cases"]
    }
    return [run for run in runs if (run.node, run.case, run.run_id.partition("/")[0]) in cases]


def _originals(shown: Sequence[ReportFigure]) -> bool:
    """Whether all that was measured is of original weights on a GPU engine."""
    cases = [case for each in shown for slot in each.data.slots for case in slot.manifest["cases"]]
    return bool(cases) and all(
        not case["model"].get("twin") and "cuda" in str(case["engine"].get("pin")) for case in cases
    )


def _paper_system(node: PaperNode) -> System:
    facts = node.model_dump(exclude={"name", "used_in"}, exclude_none=True)
    names = {"cpu": "CPU", "gpu": "GPU", "dram": "DRAM", "os": "OS", "python": "Python", "cuda": "CUDA"}
    names |= {"pytorch": "PyTorch", "vllm": "vLLM", "ssd": "SSD", "file_system": "file system"}
    return System(f"paper: {node.name}", node.used_in, {names.get(key, key): value for key, value in facts.items()})


def _document(out: Path, size_bytes: int, page: Page) -> dict[str, object]:
    return {
        "report": str(out),
        "bytes": size_bytes,
        "figures": [each.number for each in page.figures],
        "runs": sum(len(case.runs) for case in page.cases),
        "verdicts": dict(page.verdicts),
        "badges": {badge.name: badge.supported for badge in page.badges},
        "problems": list(page.problems),
    }
