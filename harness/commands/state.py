"""``python3 harness state MODEL|PATH``: what of its files is in memory, after evicting or warming them if asked."""

import difflib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.door import json_errors
from harness.engine.model_files import model_file_names
from harness.engine.model_store import twin_folder
from harness.engine.real_weights import has_real_weights, real_folder
from harness.engine.twin import MANIFEST
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.spec.models import load_models
from harness.state.drop_caches import drop_all_caches
from harness.state.files import FilesState, FileState, Verdict, files_below, look, make_cold, make_warm
from harness.state.filesystem import FileSystem, filesystem_of
from harness.workspace import Workspace

ROWS = 40  # of the table: an environment has 40,000 files


def run_state(
    target: str, evict: bool, warm: bool, show: bool, drop_all: bool, as_json: bool, workspace: Workspace
) -> int:
    """Act, look and print; returns the exit code: 1 if the files are not as asked for.

    Raises:
        HarnessError: wrong use, an unknown model or path, no right to drop all caches, too little memory.
    """
    console = _console(stderr=as_json)
    with json_errors(as_json):
        if evict + warm + show > 1:
            raise HarnessError("give one of --evict, --warm and --show")
        files = _files_of(target, workspace)
        if drop_all:
            drop_all_caches(
                lambda line: Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(line)
            )
        wanted: Verdict | None = "evicted" if evict else "resident" if warm else None
        state = make_cold(files) if evict else make_warm(files) if warm else look(files)
        mounted = filesystem_of(max(state.files, key=lambda file: file.bytes).path)  # of most of the bytes
    _print(state, mounted, console)
    reached = wanted is None or state.holds(wanted)
    if not reached:
        console.print(f"not {wanted}: {printable(state.reason or state.verdict)}")
    if as_json:
        print(json.dumps(_document(state, mounted), allow_nan=False))
    return 0 if reached else 1


def _console(stderr: bool) -> Console:
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False)


def _files_of(target: str, workspace: Workspace) -> list[Path]:
    """The files of a model's folder that an engine reads, real weights before a twin's; or all of a path."""
    models = load_models().models
    if target not in models:
        if not Path(target).exists() and "/" not in target:
            nearest = ", ".join(difflib.get_close_matches(target, models, n=3, cutoff=0.0))
            raise HarnessError(f"{target}: neither a file or folder nor a model of models.yaml (nearest: {nearest})")
        return files_below(Path(target))
    real = has_real_weights(target, workspace.models)
    folder = real_folder(target, workspace.models) if real else twin_folder(target, workspace.models)
    if not folder.is_dir():
        raise HarnessError(f"{folder}: not there; python3 download_models.py {target} [--synthetic] makes it")
    names = model_file_names(folder, besides=MANIFEST)
    if not names:
        raise HarnessError(f"{folder}: no file in it; python3 download_models.py {target} [--synthetic] makes it")
    return [folder / name for name in names]


def _document(state: FilesState, mounted: FileSystem) -> dict[str, Any]:
    return {
        "files": [
            {
                "path": str(file.path),
                "bytes": file.bytes,
                "resident_bytes": file.resident_bytes,
                "verdict": file.verdict,
                "reason": file.reason,
            }
            for file in state.files
        ],
        "bytes": state.bytes,
        "resident_bytes": state.resident_bytes,
        "resident_fraction": state.resident_fraction,
        "verdict": state.verdict,
        "reason": state.reason,
        "file_system": asdict(mounted),
    }


def _print(state: FilesState, mounted: FileSystem, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("file", "MB", "resident", "verdict", "reason"):
        numbers = name in ("MB", "resident")
        table.add_column(name, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold")
    base = os.path.commonpath([file.path.parent for file in state.files])
    # First what stands out, then what is large.
    shown = sorted(state.files, key=lambda file: (file.verdict == state.verdict, -file.bytes))[:ROWS]
    for file in shown:
        name, size = os.path.relpath(file.path, base), f"{file.bytes / 1e6:.1f}"
        table.add_row(printable(name), size, _share(file), file.verdict, printable(file.reason or ""))
    console.print(table)
    if len(shown) < len(state.files):
        console.print(f"… and {len(state.files) - len(shown):,} more (--json names them)")
    console.print(_about(mounted))
    share = "" if state.resident_fraction is None else f", {state.resident_fraction:.1%} resident"
    number = "1 file" if len(state.files) == 1 else f"{len(state.files):,} files"
    console.print(f"{number}, {state.bytes / 1e6:,.1f} MB{share}: {state.verdict}")


def _share(file: FileState) -> str:
    return "–" if file.resident_bytes is None or not file.bytes else f"{file.resident_bytes / file.bytes:.1%}"


def _about(mounted: FileSystem) -> str:
    """The file system in one line; what the kernel does not tell is left out."""
    facts = [f"file system {mounted.kind}"]
    if mounted.device_name:
        spinning = {True: "rotational", False: "not rotational", None: ""}[mounted.rotational]
        model = "" if mounted.device_model == mounted.device_name else f" ({mounted.device_model})"
        facts += [f"on {mounted.device_name}{model}", spinning]
    if mounted.scheduler:
        facts.append(f"scheduler {mounted.scheduler}")
    if mounted.read_ahead_bytes is not None:
        facts.append(f"read-ahead {mounted.read_ahead_bytes >> 10} KiB")
    return printable(", ".join(fact for fact in facts if fact))
