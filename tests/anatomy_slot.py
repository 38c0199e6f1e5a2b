"""A made-up slot of the anatomy figure, of simulated runs."""

from collections.abc import Sequence
from pathlib import Path

from harness.analyse.anatomy_rows import split_rows
from harness.record.anatomy_run import AnatomyRun
from harness.record.anatomy_tables import SPLIT_TABLES, STUDY
from harness.record.feature_tables import FEATURE_TABLES
from harness.record.study_slot import write_study_slot
from tests.anatomy_runs import make_run
from tests.anatomy_simulation import Wanted

# Costs of each repeat: the forward pass varies.
REPEATS = tuple(Wanted(repeat=at + 1, concurrencies=(1, 4, 8), costs={"forward": forward})
                for at, forward in enumerate((900, 930, 880)))  # fmt: skip


def made_runs(folder: Path, wanted: Sequence[Wanted] = REPEATS) -> list[AnatomyRun]:
    """The runs, stored below ``folder``."""
    return [make_run(folder / each.case / str(each.repeat), each)[0] for each in wanted]


def made_slot(folder: Path, wanted: Sequence[Wanted] = REPEATS) -> Path:
    """Write such a slot; returns its folder. The runs lie beside it."""
    runs = made_runs(folder.parent / ".runs", wanted)
    tables = split_rows(runs)
    cases = {run.facts.case: run.facts for run in runs}
    manifest = {
        "figure": "anatomy", "slot": folder.name, "study": STUDY,
        "node": {"id": "node-0123456789ab", "cpu_model": "CPU", "cpus": [0, 1], "memory_bytes": 8 << 30, "gpus": []},
        "engine": {"pin": "vllm-0.32.0-cpu", "version": "0.32.0"},
        "cases": [{"case": name, "parameters": facts.parameters, "environment": facts.environment}
                  for name, facts in cases.items()],
    }  # fmt: skip
    rows = [(table, tables[table.name]) for table in SPLIT_TABLES]
    write_study_slot(folder, [*rows, *((table, []) for table in FEATURE_TABLES)], manifest)
    return folder
