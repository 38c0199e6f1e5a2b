"""Time copies from memory to the device, by a worker under an engine's Python; stored once for an engine and node."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engine.detect import driver_versions
from harness.engine.environment import Engine
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.inherited import inherited
from harness.record.gpu_check import STUDY, GpuCheckError, Transfers, copies_of, read_transfers
from harness.record.repeats import Repeats
from harness.spec.gpu_check import Transfers as Asked

WORKER = "experiments.gpu_check.worker_h2d"
_LIMIT_S = 300.0
_RUN = 1
_MIB = 1 << 20


def transfers_of(engine: Engine, asked: Asked, file: Path, node: str, runs: Path) -> Transfers:
    """The stored copies of this driver, made first if they are not there.

    ``file``: what is mapped, a checkpoint in memory.

    Raises:
        MeasurementFailed: the worker failed, or what it wrote is no list of copies; nothing is stored.
        GpuCheckError: what is stored is damaged.
        CaseFolderError: the case's folder is of something else.
    """
    definition: dict[str, Any] = {
        "study": STUDY,
        "engine": {"pin": engine.pin.name, "lock_sha256": engine.pin.lock_sha256},
        "torch": engine.installed_version("torch"),
        **(driver_versions() if engine.pin.device == "cuda" else {}),
        "mib": list(asked.mib),
        "repeats": asked.repeats,
        "mapped_mib": file.stat().st_size // _MIB,
    }
    stored = Repeats.of(runs, node, STUDY, f"h2d_{engine.pin.name}", definition)
    if not stored.run(_RUN).is_dir():
        _make(stored, engine, asked, file)
    return read_transfers(stored.run(_RUN))


def stored_transfers(runs: Path, node: str, pin: str) -> Transfers | None:
    """The newest of this node and engine; None if there are none."""
    found = []
    for path in (runs / node / STUDY).glob(f"h2d_{pin}-*/{_RUN}"):
        try:
            found.append(read_transfers(path))
        except GpuCheckError:
            continue
    return max(found, key=lambda each: each.made_at, default=None)


def _make(stored: Repeats, engine: Engine, asked: Asked, file: Path) -> None:
    device = "cuda" if engine.pin.device == "cuda" else "cpu"
    working = stored.begin(_RUN)
    request, result = working / "request.json", working / "result.json"
    try:
        document = {"device": device, "mib": list(asked.mib), "repeats": asked.repeats, "file": str(file)}
        request.write_text(json.dumps(document), encoding="utf-8")
        environment = {**engine.pin.environment, "PYTHONDONTWRITEBYTECODE": "1"}
        _run(engine, (request, result), environment)
        told = json.loads(result.read_bytes())
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        Transfers(str(told["device"]), made_at, copies_of(told["samples"])).write(working)
        request.unlink()
        result.unlink()
        stored.close(_RUN, working, is_ok=True)
    except (ValueError, KeyError, TypeError) as error:
        raise MeasurementFailed(f"timing copies to the device: the worker's answer cannot be used ({error})") from None
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _run(engine: Engine, paths: tuple[Path, Path], environment: dict[str, str]) -> None:
    try:
        what = "timing copies to the device"
        run_worker(engine.python, WORKER, paths, environment, what, _LIMIT_S, inherited=inherited())
    except HarnessError as error:  # a GPU that is lost is no wrong use
        raise MeasurementFailed(str(error)) from None
