"""Checkouts with slots to bundle, and bundles in whatever state."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from harness.record.bundle import Bundle, pack
from harness.record.slot import write_slot
from harness.record.slotfiles import slot_files
from harness.workspace import ROOT, Workspace
from tests.synthetic_slot import synthetic

CORES = {"cpu0": [0, 1], "cpu1": [2, 3]}


def checkout(root: Path) -> Workspace:
    """A checkout that has nothing but the declarations of some figures."""
    for number in ("2", "11"):
        (root / "figures" / f"figure-{number}").mkdir(parents=True)
        declaration = Path("figures") / f"figure-{number}" / "figure.yaml"
        shutil.copyfile(ROOT / declaration, root / declaration)
    return Workspace(root)


def slot(workspace: Workspace, name: str, figure: str = "11", measured: int = 2, **changed: Any) -> Path:
    """A slot measured in a checkout, on a machine of its own."""
    rows, manifest = synthetic(measured, slot=name, figure=figure, bad=["failed"])
    manifest["node"] |= {"id": f"node-of-{name}", "cpus": CORES.get(name, [9])}
    manifest["cases"][0]["parameters"] |= changed
    folder = workspace.figure(figure) / name
    write_slot(folder, rows, manifest)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def bundled(workspace: Workspace, path: Path, *names: str, figure: str = "11") -> Path:
    """A bundle of a checkout's slots, whatever state they are in."""
    folders = {name: workspace.figure(figure) / name for name in names}
    path.write_bytes(pack(Bundle(figure, {name: slot_files(folder) for name, folder in folders.items()})))
    return path


def with_table(folder: Path, content: bytes) -> None:
    """Add a table that this version does not know."""
    (folder / "later.csv").write_bytes(content)
    document = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    document["files"].append({"name": "later.csv", "columns": ["a", "b"], "units": {}, "sha256": digest})
    (folder / "manifest.json").write_text(json.dumps(document))
