"""``python3 harness engines compare``: engines behind OpenAI's API held against each other, on the same prompts."""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.analyse.comparison import Row, comparison_rows, gaps, points
from harness.analyse.comparison_parity import agreements
from harness.commands.compare_engines.asked import ComparisonAsked, check
from harness.commands.compare_engines.prompts import repeats_of
from harness.commands.compare_engines.runs import Comparing, make_runs
from harness.commands.compare_engines.serve import Engines, set_up_engines
from harness.commands.compare_engines.tokens import Counter, counter_of
from harness.door import json_errors
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.conditions import check_writable, measuring
from harness.new_folder import new_folder
from harness.progress import say
from harness.record.atomic import write_json, write_text
from harness.record.comparison_run import ComparisonRun
from harness.show.comparison_print import Shown, comparison_table, notes
from harness.state.machine import this_node
from harness.workspace import Workspace

NAME = "engines"  # of the files in --out
_TABLE_WIDTH = 110  # characters
_COLUMNS = ("target", "concurrency", "repeat", "metric", "value", "unit")


def run_compare(asked: ComparisonAsked, as_json: bool, workspace: Workspace) -> int:
    """Measure what is missing, print the table, draw it into ``--out``; 1 if no target was measured.

    Raises:
        HarnessError: wrong use or impossible here; nothing was sent.
    """
    with json_errors(as_json):
        check(asked)
        _check_out(asked.out)
        repeats_of(asked.load, range(1, asked.load.repeats + 1))  # a bad file is told before anything is installed
        with measuring(workspace.root, "engines compare"):
            check_writable([workspace.runs, workspace.caches])
            engines, counter = _set_up(asked, workspace)
            runs = make_runs(Comparing(asked, engines, counter, this_node(workspace.runs), workspace))
        rows = comparison_rows(runs)
        shown = _shown(asked, runs, rows)
        if asked.out is not None:
            _write_out(asked.out, shown, rows, runs)
    console = Console(highlight=False, markup=False, stderr=as_json, soft_wrap=True)
    console.width = max(console.width, _TABLE_WIDTH)  # a number that is cut off is none
    console.print(comparison_table(shown))
    for line in notes(shown):
        console.print(line)
    if as_json:
        print(json.dumps(_document(shown, rows, runs), allow_nan=False))
    if not any(row.metric == "throughput" for row in rows):
        raise MeasurementFailed(f"no target was measured: {next(iter(shown.gaps.values()), 'nothing was answered')}")
    return 0


def _set_up(asked: ComparisonAsked, workspace: Workspace) -> tuple[Engines, Counter | None]:
    """Engines, and what counts tokens, tried once: no server is started for a tokenizer that counts nothing.

    An engine that is about to be installed may be the only one that can read it, so engines come first. Where one could
    not be, and no tokenizer was named, streamed chunks are counted: another case.
    """
    engines = set_up_engines(asked, workspace)
    try:
        counter = counter_of(asked.tokenizer, engines.model.path if engines.model else None, workspace)
    except HarnessError as error:
        if asked.tokenizer is not None or not engines.gaps:
            raise
        say(f"streamed chunks are counted: {error}")
        return engines, None
    if counter is not None:
        counter.check()
    return engines, counter


def _check_out(out: Path | None) -> None:
    if out is not None and os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise HarnessError(f"--out {out}: not an empty folder; name a new one")


def _shown(asked: ComparisonAsked, runs: Sequence[ComparisonRun], rows: Sequence[Row]) -> Shown:
    facts = runs[-1].facts
    engines = {
        target.name: str(target.engine["build"])
        for run in runs
        for target in run.facts.targets
        if target.engine is not None
    }
    return Shown(
        names=asked.names,
        levels=asked.load.levels,
        points=points(rows, asked.names),
        gaps=gaps(runs),
        agreements=agreements(runs, asked.names),
        tokenizer=facts.tokenizer["name"] if facts.tokenizer else None,
        model=facts.model,
        repeats=len(runs),
        prompts=asked.load.num_prompts,
        engines=engines,
        node=str(facts.node.get("cpu_model") or facts.node["id"]),
    )


def _document(shown: Shown, rows: Sequence[Row], runs: Sequence[ComparisonRun]) -> dict[str, Any]:
    return {
        "targets": list(shown.names),
        "gaps": dict(shown.gaps),
        "tokenizer": shown.tokenizer,
        "model": shown.model,
        "runs": [{"case": run.facts.case, "run": run.facts.run, "status": run.facts.status} for run in runs],
        "rows": [dict(zip(_COLUMNS, _cells(row), strict=True)) for row in rows],
        "agreements": [asdict(each) for each in shown.agreements],
    }


def _cells(row: Row) -> tuple[str | int | float, ...]:
    return row.target, row.concurrency, row.repeat, row.metric, row.value, row.unit


def _write_out(out: Path, shown: Shown, rows: Sequence[Row], runs: Sequence[ComparisonRun]) -> None:
    from harness.show.comparison_figure import draw_comparison
    from harness.show.style import save

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(map(_cells, rows))
    with new_folder(out) as folder:
        write_text(folder / f"{NAME}.csv", text.getvalue())
        write_json(folder / f"{NAME}.json", _document(shown, (), runs))
        save(draw_comparison(shown), folder, NAME)
