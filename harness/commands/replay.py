"""``python3 harness replay``: what vLLM's own scheduler and block manager do with a trace, without a model."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.analyse.kv_bytes import kv_bytes
from harness.analyse.sharing import occupancy_over_time, summary
from harness.door import json_errors
from harness.errors import HarnessError
from harness.measure.replay import replay_engine, run_replays
from harness.measure.replay_job import check_parameters, make_job
from harness.measure.scheduler_class import scheduler_class
from harness.record.atomic import place_new, write_json
from harness.record.bounded import UnreadableError, parse_json
from harness.record.plain import printable
from harness.record.replay import EVENTS, Parameters, Replay, ReplayError, read_replay
from harness.record.replay_rows import TABLES, RequestRow
from harness.show.replay_print import SPARKS, replay_lines
from harness.spec.models import find_model
from harness.workspace import Workspace

_STATS = "stats.json"
_SHORT = {"naive": "factor", "target": "blocks_per_sequence"}  # policies of one number


@dataclass(frozen=True)
class Outputs:
    """Files that were asked for."""

    stats: Path | None = None
    per_request: Path | None = None
    events: Path | None = None

    def named(self) -> dict[str, Path]:
        """Option → file."""
        files = {"--output-file": self.stats, "--per-request": self.per_request, "--events": self.events}
        return {option: path for option, path in files.items() if path is not None}


def run_replay(
    trace: Path,
    parameters: Parameters,
    outputs: Outputs,
    model: str | None,
    engine: str | None,
    scheduler: str | None,
    as_json: bool,
    workspace: Workspace,
) -> int:
    """Replay, print, write what was asked for; returns the exit code.

    Raises:
        HarnessError: before anything runs: parameters, output files, engine, model or trace cannot be.
        MeasurementFailed: the replay failed.
    """
    with json_errors(as_json):
        check_parameters(replace(parameters, scheduler_cls=scheduler))
        _check_outputs(outputs.named())
        installed = replay_engine(engine, workspace)
        if scheduler is not None:
            parameters = replace(parameters, scheduler_cls=scheduler_class(scheduler, installed))
        kv = None if model is None else _kv_bytes(model, parameters)
        job = make_job(trace, parameters, kv, events=outputs.events is not None)
        print(printable(f"replaying {job.facts.requests} requests of {trace.name} …"), file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="replay-") as folder:
            made = Path(folder) / "replay"
            run_replays([job], [made], installed)
            replay = _read(made)
            document = summary(replay)
            _write_outputs(outputs, made, document)
    console = Console(highlight=False, markup=False, stderr=as_json, soft_wrap=True)
    for line in replay_lines(document, occupancy_over_time(replay, SPARKS)):
        console.print(line)
    if as_json:
        print(json.dumps(document, allow_nan=False))
    return 0


def blocks_of(text: str) -> int | None:
    """What ``--num-blocks`` says: a number, or None for inf. Raises HarnessError."""
    if text.strip().lower() == "inf":
        return None
    try:
        return int(text)
    except ValueError:
        what = "a whole number of blocks, from 2 (vLLM keeps one for itself), or inf"
        raise HarnessError(f"--num-blocks '{printable(text, 40)}': {what}") from None


def headroom_of(text: str | None) -> dict[str, Any] | None:
    """What ``--headroom`` says: ``naive:4``, ``target:2.4``, or the JSON object of any policy. Raises HarnessError."""
    if text is None:
        return None
    name, _, number = text.partition(":")
    try:
        if name in _SHORT:
            return {"policy": name, _SHORT[name]: float(number)}
        found = parse_json(text.encode())
    except (ValueError, UnreadableError):
        found = None
    if not isinstance(found, dict):
        shown = f"--headroom '{printable(text, 60)}'"
        raise HarnessError(f"{shown}: give naive:O, target:B, or a policy's JSON object (docs/headroom.md)")
    return found


def _kv_bytes(model: str, parameters: Parameters) -> dict[str, Any]:
    blocks = None if parameters.num_blocks is None else parameters.num_blocks - 1
    return kv_bytes(model, find_model(model).config, parameters.block_size, blocks)


def _check_outputs(named: Mapping[str, Path]) -> None:
    """Nothing is overwritten, and nobody waits for a replay whose result has no place."""
    seen: dict[Path, str] = {}
    for option, path in named.items():
        if os.path.lexists(path):
            raise HarnessError(f"{option} {path}: exists already; name a new file")
        if not path.parent.is_dir():
            raise HarnessError(f"{option} {path}: there is no folder {path.parent}; make it first")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise HarnessError(f"{option} {path}: {path.parent} cannot be written; name another place")
        if (other := seen.setdefault(path.resolve(), option)) != option:
            raise HarnessError(f"{option} {path}: {other} names the same file; name another")


def _read(folder: Path) -> Replay:
    try:
        return read_replay(folder)
    except ReplayError as error:
        raise HarnessError(f"the replay cannot be used: {error}") from None


def _write_outputs(outputs: Outputs, folder: Path, document: dict[str, Any]) -> None:
    _check_outputs(outputs.named())  # again: somebody may have made one meanwhile
    write_json(folder / _STATS, document)
    files = [(outputs.per_request, TABLES[RequestRow]), (outputs.events, EVENTS)]
    files.append((outputs.stats, _STATS))  # last: whoever waits for it finds the others
    for target, name in files:
        if target is not None:
            try:
                place_new(folder / name, target)
            except OSError as error:
                raise HarnessError(f"{target}: cannot be written: {error.strerror}; name a new file") from None
