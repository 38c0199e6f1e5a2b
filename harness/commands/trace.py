"""``python3 harness trace RUN``: one run's spans as a Perfetto trace, as a flame graph, or as a short table."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from harness.analyse.cores import core_use
from harness.analyse.gpu_use import gpu_use
from harness.analyse.partition import Partition, partition
from harness.analyse.spans import Process, SpanFileError, read_processes
from harness.analyse.window import Window, window_of
from harness.door import json_errors
from harness.errors import HarnessError
from harness.record.atomic import write_text
from harness.record.run import Run, read_run
from harness.record.select import SelectError, find_run
from harness.record.slotcheck import SlotError
from harness.record.tables import CORES, GPU, read_table
from harness.workspace import Workspace

if TYPE_CHECKING:
    from harness.show.trace_events import Track


def trace(text: str, perfetto: Path | None, flame: Path | None, as_json: bool, workspace: Workspace) -> None:
    """Write the files asked for; print the table where none is. ``text`` names the run.

    Raises:
        HarnessError: no such run, nothing usable in its spans, or a file that cannot be written.
    """
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    with json_errors(as_json):
        document = _trace(text, perfetto, flame, workspace, console)
    if as_json:
        print(json.dumps(document))


def _trace(
    text: str, perfetto: Path | None, flame: Path | None, workspace: Workspace, console: Console
) -> dict[str, Any]:
    from harness.show.trace_tables import process_facts, tables

    _check_outputs([path for path in (perfetto, flame) if path is not None], workspace)
    try:
        folder = find_run(workspace.runs, text)
    except SelectError as error:
        raise HarnessError(str(error)) from None
    run = read_run(folder)
    processes = read_spans(folder / "spans")
    try:
        window = window_of(run, processes)
        parts = partition(processes, window.pid, window.exec_ns, window.end_ns)
    except ValueError as error:
        raise HarnessError(f"{folder}: cannot be traced: {error}; see its engine.log") from None
    about = describe(run, folder)
    facts = [process_facts(process, window.exec_ns) for process in processes]
    if not window.ready:
        console.print(f"{about['run']} never was ready; what was traced until it ended is shown", markup=False)
    events = None
    if perfetto:
        sampled = sampled_tracks(folder, run)
        events = write_perfetto(perfetto, processes, parts, window, about, console, sampled)
    if flame:
        write_flame(flame, parts, about, console)
    if not (perfetto or flame):
        console.print(tables(list(about.values()), facts, parts))
    return {
        "run_id": run.run_id,
        "ready_s": run.ready_s,
        "first_token_s": run.first_token_s,
        "parts": [asdict(part) for part in parts.parts],
        "perfetto": str(perfetto) if perfetto else None,
        "flame": str(flame) if flame else None,
        "processes": facts,
        "events": events,
    }


def read_spans(folder: Path) -> list[Process]:
    """The processes of a run's ``spans/``.

    Raises:
        HarnessError: there is none, or they are too large or not readable.
    """
    try:
        processes = read_processes(folder) if folder.is_dir() else []
    except SpanFileError as error:
        raise HarnessError(f"{folder}: {error}; move what does not belong there away and repeat") from None
    if not processes:
        raise HarnessError(f"{folder}: no spans here: the run was not traced, or not copied whole")
    return processes


def describe(run: Run, folder: Path) -> dict[str, str]:
    """Whose start it is, in words."""
    twin = ", a structural twin with random weights" if run.model.get("twin") else ""
    end = f"{run.status}: {run.reason}" if run.ready_s is None else f"ready after {run.ready_s:.2f} s"
    if run.ready_s is not None and run.first_token_s is not None:
        end += f", first token {run.first_token_s:.2f} s later"
    doubt = next((str(part.get("reason")) for part in run.certificate.values() if not part["holds"]), None)
    return {
        "model": f"{run.model.get('name') or 'model unknown'}{twin}",
        # A start of one's own has no pin: the key is there, and null.
        "engine": f"vLLM {run.engine.get('version') or 'of unknown version'} ({run.engine.get('pin') or 'unpinned'})",
        "case": folder.resolve().parent.name,
        "run": f"run {run.run_id} ({run.kind}), started {run.started_at}",
        "end": end + (f"; does not count: {doubt}" if doubt else ""),
    }


def write_perfetto(
    path: Path,
    processes: list[Process],
    parts: Partition,
    window: Window,
    about: dict[str, str],
    console: Console,
    tracks: "Sequence[Track]" = (),
) -> int:
    """Write the trace; returns its number of events."""
    from harness.show.perfetto import trace_document

    document = trace_document(processes, parts, window, about, tracks)
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    _write(path, text, console, f"{len(document['traceEvents'])} events; open it at https://ui.perfetto.dev")
    return len(document["traceEvents"])


def sampled_tracks(folder: Path, run: Run) -> "list[Track]":
    """What was sampled while the run started; nothing where nothing was.

    Raises:
        HarnessError: a table of samples that cannot be read.
    """
    from harness.show.trace_tracks import core_track, gpu_tracks

    try:
        cores, gpus = (read_table(t, folder / t.name) if (folder / t.name).exists() else [] for t in (CORES, GPU))
        names = [str(gpu["name"]) for gpu in run.gpus]
        return [*core_track(core_use(cores)), *gpu_tracks(gpu_use(gpus), names)]  # type: ignore[arg-type]
    except SlotError as error:
        raise HarnessError(f"{error}; move the table away and repeat, for a trace without it") from None


def write_flame(path: Path, parts: Partition, about: dict[str, str], console: Console) -> None:
    """Write the flame graph."""
    from harness.show.flame import flame_svg

    facts = [f"{about['engine']}; {about['run']} of {about['case']}; {about['end']}."]
    drawing = flame_svg(parts, f"Where the start's time goes: {about['model']}", facts)
    _write(path, drawing, console, "open it in a browser; a frame says more when it is pointed at")


def _check_outputs(paths: list[Path], workspace: Workspace) -> None:
    if len({path.resolve() for path in paths}) < len(paths):
        raise HarnessError(f"{paths[0]}: --perfetto and --flame name the same file; name two")
    for path in paths:
        if path.is_dir():
            raise HarnessError(f"{path}: is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise HarnessError(f"{path}: is not a regular file; name another")
        parent = path.resolve().parent if path.is_symlink() else path.parent
        if not parent.is_dir():
            raise HarnessError(f"{path}: there is no folder {parent}; make it, or name another")
        if path.resolve().is_relative_to(workspace.runs.resolve()):
            raise HarnessError(f"{path}: lies in the run store, which is never written to by hand; name another place")


def _write(path: Path, text: str, console: Console, hint: str) -> None:
    try:
        write_text(path.resolve(), text)  # a link stays one: what it points to is written
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written ({error.strerror}); name another place") from None
    console.print(f"{path} ({len(text) / 1e6:.1f} MB): {hint}", markup=False)
