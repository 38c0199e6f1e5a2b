"""A checkout with a bit of everything that a report shows: slots of several figures and a store with every outcome."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.record.rows import Row
from harness.record.slot import write_slot
from harness.record.store import CaseStore
from harness.record.tables import TIMELINE, table_csv
from harness.spec.figure import load_figure
from harness.workspace import ROOT, Workspace
from tests.ladder_slot import ladder_slot
from tests.sampled_slot import sampled
from tests.storage_slot import storage_slot
from tests.synthetic_run import certificate, make_run, put
from tests.synthetic_slot import NODE, synthetic

HERE, THERE = dict(NODE, id="node-000000000001"), dict(NODE, id="node-000000000002", cpu_model="Another CPU")
HERE |= {"kernel": "6.1.0", "os": "Debian GNU/Linux 12", "storage": {"file_system": "ext4", "device_model": "vda"}}
THERE |= {"kernel": "5.14.0", "os": "RHEL 9.4", "storage": {"file_system": "xfs", "device_model": "PM9A3"}}
CASE = "tiny_fake_compiled-0a0b0c0d"


def make_workspace(root: Path) -> Workspace:
    """A checkout's declarations without any result: figures with the paper's numbers, an empty store."""
    for figure in sorted((ROOT / "figures").glob("figure-*")):
        target = root / "figures" / figure.name
        target.mkdir(parents=True)
        for name in ("figure.yaml", "plot.py", "paper.csv", "paper-cores.csv"):
            if (figure / name).is_file():
                shutil.copy2(figure / name, target / name)
    shutil.copy2(ROOT / "figures" / "groups.yaml", root / "figures" / "groups.yaml")
    return Workspace(root)


def fill(workspace: Workspace, name: str = "tiny") -> None:
    """Slots of figures 2, 12, 13 and the ladder, one from another machine, and the runs of one case.

    ``name``: what figure 2's model and that case's are called.
    """
    put_slot(workspace, *_named(*synthetic(measured=3, bad=("failed",)), name))
    put_slot(workspace, *sampled(), node=HERE)
    put_slot(workspace, *storage_slot("case0", "ram", starts=3))
    put_slot(workspace, *storage_slot("case1", "ssd", starts=3), node=THERE)
    put_slot(workspace, *ladder_slot(starts=2))
    fill_store(workspace, name)


def fill_store(workspace: Workspace, name: str = "tiny", log: Iterable[str] = ("the last line",)) -> None:
    """Runs that count, that failed, whose state did not hold, and that were marked, of a model called ``name``."""
    store = CaseStore.of(workspace.runs, str(HERE["id"]), "cold_start", CASE)
    more: dict[str, Any] = {"node": HERE, "model": {"name": name, "twin": True}, "log_tail": list(log)}
    broken = {"status": "failed", "failed_in": "load_weights", "failed_process": "worker", "exit_code": 1}
    put(
        store,
        make_run("warmup-0", **more),
        make_run("1", **more),
        make_run("2", **more, noise={"marks": ["other processes: 12.5 s, limit 5%"]}),
        make_run("3", **more, certificate=certificate(holds=False)),
        make_run("4", **more, **broken, reason=f"{name} does not load"),
    )
    pieces = [
        (0.0, 2.0, "imports:main", "main"),
        (2.0, 2.75, "load_weights", "worker"),
        (2.75, 3.0, "unattributed", "main"),
    ]
    for run in ("warmup-0", "1", "2", "3"):
        (store.folder / run / TIMELINE.name).write_bytes(table_csv(TIMELINE, pieces))


def put_slot(
    workspace: Workspace,
    rows: Iterable[Row],
    manifest: dict[str, Any],
    tables: Mapping[str, bytes] | None = None,
    node: Mapping[str, Any] = HERE,
) -> Path:
    """Write a slot to its place; ``node``: where it was measured."""
    folder = workspace.figure(str(manifest["figure"])) / str(manifest["slot"])
    write_slot(folder, rows, {**manifest, "node": dict(node)}, tables)
    return folder


def _named(rows: Iterable[Row], manifest: dict[str, Any], name: str) -> tuple[list[Row], dict[str, Any]]:
    (case,) = manifest["cases"]
    case["model"]["name"] = name
    return [replace(row, model=name) for row in rows], manifest


def many_models(figure: str, slot: str, workspace: Workspace, starts: int = 5) -> tuple[list[Row], dict[str, Any]]:
    """Rows and manifest of a figure with all its models."""
    declared = load_figure(figure, workspace)
    rows: list[Row] = []
    whole: dict[str, Any] = {}
    for number, model in enumerate(declared.models):
        for parameters in declared.case_parameters(model, "cpu"):
            case = f"{model}_{len(whole.get('cases', ()))}-1a2b3c4d"
            some, manifest = synthetic(measured=starts, seed=number, slot=slot, figure=figure)
            (entry,) = manifest["cases"]
            facts = {"tokenizer_bytes": 10**6 * (1 + number), "tensor_bytes": 10**9 * (1 + number), "parameters": 10**9}
            entry |= {"case": case, "parameters": {**parameters, "eager": False}}
            entry["model"] |= {"name": model, **facts}
            for run in manifest["runs"]:
                run |= {
                    "case": case,
                    "run_id": f"{case}/s1/{run['run']}",
                    "graph": {"nodes": 9, "code_bytes": 9000 * (1 + number)},
                }
            scaled = [replace(row, case=case, model=model, seconds=row.seconds * (1 + number / 5)) for row in some]
            rows += scaled
            whole = whole or {**manifest, "cases": [], "runs": []}
            whole["cases"].append(entry)
            whole["runs"] += manifest["runs"]
    return rows, whole
