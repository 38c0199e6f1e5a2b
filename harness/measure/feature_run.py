"""One run of the feature matrix: one worker process, one start of the engine, one folder, whatever happens.

A refusal or a crash is a result: a failed run with the engine's own reason. Ctrl-C leaves no run.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analyse.refusal import refusal_reason
from harness.engine.environment import Engine
from harness.engine.process_tree import Exit, process_tree
from harness.errors import HarnessError
from harness.measure.inherited import inherited
from harness.measure.provenance import harness_facts, utc_now
from harness.record.feature_run import LOG, MEASURED, OUTPUTS, FeatureFacts, FeatureRunError, read_feature_run
from harness.record.feature_tables import FAILED, OK
from harness.record.plain import printable
from harness.record.private import names_here, without_private
from harness.record.repeats import Repeats
from harness.workspace import ROOT

WORKER = "experiments.engine_anatomy.worker_feature"
SOURCES = ("engine_anatomy/worker_feature*.py",)
DRAFTING, STARTING, ANSWERING = "draft", "start", "answer"
_STARTED = "started"  # a file that the worker leaves beside its result once the engine is there
_LONGEST_REASON = 300
_LOG_BYTES = 4 << 20


@dataclass(frozen=True)
class FeatureJob:
    """One run that is to be made. ``request``: of the worker; ``environment``: of its process, None: left out.

    ``facts``: what of feature.json is known before.
    """

    stored: Repeats
    repeat: int
    facts: Mapping[str, Any]  # feature, asked, engine, model, node
    request: Mapping[str, Any]
    environment: Mapping[str, str | None]
    caches: Path
    limit_s: float


def make_feature_run(job: FeatureJob, engine: Engine) -> Path:
    """Make the run; returns its folder, which says whether it is ok.

    Raises:
        HarnessError: the store cannot be written, or the worker cannot be started; there is no run then.
    """
    working = job.stored.begin(job.repeat)
    try:
        started, begin = utc_now(), time.monotonic()
        ended = _run(job, engine, working)
        wall_s = time.monotonic() - begin

        def write(failed_in: str | None, reason: str | None) -> None:
            _facts(job.stored, job.repeat, job.facts, (failed_in, reason), (started, wall_s)).write(working)

        stage = ANSWERING if (working / _STARTED).exists() else STARTING
        (working / _STARTED).unlink(missing_ok=True)
        reason = _why(ended, working, job.limit_s)
        write(None if reason is None else stage, reason)
        if reason is None:
            try:
                read_feature_run(working)
            except FeatureRunError as error:
                reason = _kept(str(error))
                write(ANSWERING, reason)
        if reason is not None:
            for name in (MEASURED, OUTPUTS):
                (working / name).unlink(missing_ok=True)
        return job.stored.close(job.repeat, working, is_ok=reason is None)
    except OSError as error:
        raise _unwritable(error, working) from None
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise


def keep_failure(stored: Repeats, repeat: int, facts: Mapping[str, Any], reason: str) -> Path:
    """A failed run whose draft could not be made, so that its engine was not started; returns its folder.

    Raises:
        HarnessError: the store cannot be written.
    """
    working = stored.begin(repeat)
    try:
        _facts(stored, repeat, facts, (DRAFTING, _kept(reason)), (utc_now(), 0.0)).write(working)
        return stored.close(repeat, working, is_ok=False)
    except OSError as error:
        raise _unwritable(error, working) from None


def _facts(
    stored: Repeats,
    repeat: int,
    known: Mapping[str, Any],
    failed: tuple[str | None, str | None],
    took: tuple[str, float],
) -> FeatureFacts:
    """``failed``: in what, and why; ``took``: when it started, and seconds."""
    return FeatureFacts(
        **known, case=stored.case, run=repeat, status=OK if failed[1] is None else FAILED, failed_in=failed[0],
        reason=failed[1], started_at=took[0], wall_s=took[1], harness=harness_facts(),
    )  # fmt: skip


def _unwritable(error: OSError, working: Path) -> HarnessError:
    shutil.rmtree(working, ignore_errors=True)
    where = error.filename or working
    return HarnessError(f"{where}: cannot be written ({error.strerror or error}); mend it and repeat")


def _kept(reason: str) -> str:
    """As it is stored: without names of this machine and its user, and not too long."""
    return printable(str(without_private(reason, names_here())), _LONGEST_REASON)


def _run(job: FeatureJob, engine: Engine, working: Path) -> Exit:
    with tempfile.TemporaryDirectory(prefix="feature-") as name:
        scratch = Path(name)
        request = scratch / "request.json"
        request.write_text(json.dumps(job.request), encoding="utf-8")
        command = [str(engine.python), "-m", WORKER, str(request), str((working / MEASURED).resolve())]
        environment = _environment(job, engine, scratch)
        with process_tree(command, environment, working / LOG, ROOT, job.limit_s, scratch, metered=False) as tree:
            tree.wait()
    assert tree.exit is not None
    return tree.exit


def _environment(job: FeatureJob, engine: Engine, scratch: Path) -> dict[str, str]:
    """A few of the caller's variables, the pin's, and the case's, which win."""
    ours = {
        "VLLM_CACHE_ROOT": str((job.caches / "vllm").resolve()),
        "TORCHINDUCTOR_CACHE_DIR": str((job.caches / "inductor").resolve()),
        "VLLM_RPC_BASE_PATH": str(scratch),
        "VLLM_LOGGING_LEVEL": "INFO",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    whole = {**inherited(), **engine.pin.environment, **ours, **job.environment}
    return {name: value for name, value in whole.items() if value is not None}


def _why(ended: Exit, working: Path, limit_s: float) -> str | None:
    """Why it failed, in the engine's own words where there are any; None: it did not."""
    if ended.exit_code == 0 and (working / MEASURED).exists():
        return None
    if ended.timed_out:
        return f"it took more than {limit_s:.0f} s"
    with (working / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
        said = refusal_reason(log.read().decode("utf-8", errors="replace"))
    return _kept(said or f"it ended without a word (exit code {ended.exit_code})")
