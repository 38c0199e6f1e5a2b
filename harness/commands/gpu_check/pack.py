"""The check's summary, and one small file with it and the slots of its figures."""

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.analyse.gpu_check import numbers_of
from harness.commands.gpu_check.starts import STORAGE, checked_runs, stages_of
from harness.commands.slots.bundle import bundle_of
from harness.errors import HarnessError
from harness.measure.h2d import stored_transfers
from harness.measure.provenance import harness_facts
from harness.record.atomic import place_new
from harness.record.gpu_check import SUMMARY, CheckedStart, CheckSummary
from harness.record.private import names_here, ties, without_private
from harness.record.run import Run
from harness.spec.gpu_check import GpuCheck
from harness.spec.pin import Pin
from harness.state.machine import this_node
from harness.workspace import Workspace

_EPOCH = (1980, 1, 1, 0, 0, 0)  # as bundles: the file does not depend on when it was packed


def summary_of(check: GpuCheck, pin: Pin, workspace: Workspace) -> CheckSummary:
    """Where the check of this machine and engine stands, whatever stages have been run.

    Raises:
        HarnessError: a slot or run that cannot be read.
    """
    node = this_node(workspace.runs)
    found = {
        name: [checked_runs(stage, pin.name, str(node["id"]), workspace) for stage in stages]
        for name, stages in stages_of(check).items()
    }
    pairs = [pair for of_stage in found.values() for one in of_stage for pair in one]
    runs, starts = [run for run, _ in pairs], [start for _, start in pairs]
    transfers = stored_transfers(workspace.runs, str(node["id"]), pin.name)
    missing = [name for name, of_stage in found.items() if not all(map(_is_measured, of_stage))]
    if transfers is None and STORAGE not in missing:
        missing.append(STORAGE)
    copies = transfers.copies if transfers else ()
    ram = (check.storage.ram.figure, "case0")
    return CheckSummary(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        device=pin.device,
        node=node,
        gpus=_gpus(runs),
        engine=runs[-1].engine if runs else {"pin": pin.name, "version": pin.vllm_version},
        harness=harness_facts(),
        starts=starts,
        transfers=transfers,
        numbers=numbers_of(starts, copies, check.targets, check.figure9.figure, ram),
        missing=missing,
    )


def _is_measured(found: list[tuple[Run, CheckedStart]]) -> bool:
    """Whether every case has a measured start that counts."""
    cases = {start.case for _, start in found}
    return bool(cases) and cases == {start.case for run, start in found if run.counts and run.kind == "measured"}


def _gpus(runs: list[Run]) -> list[dict[str, Any]]:
    """What the driver said of the GPUs before the last start."""
    return next((run.gpus for run in reversed(runs) if run.gpus), [])


def pack_check(check: GpuCheck, pin: Pin, dest: Path | None, workspace: Workspace) -> Path:
    """Write summary and slots to ``dest``, or to a name of engine and node here; returns where.

    Raises:
        HarnessError: nothing has been measured, or something is there already.
    """
    summary = summary_of(check, pin, workspace)
    if not summary.starts:
        raise HarnessError(f"no starts of {pin.name} on this machine to pack; measure: --stage figure2")
    document = without_private(summary.document(), names_here(), ties({"node": summary.node}))
    files = {SUMMARY: json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"}
    for number in dict.fromkeys(start.figure for start in summary.starts):
        slots = {start.slot for start in summary.starts if start.figure == number}  # this node's, not merged ones
        try:
            files[f"figure-{number}.zip"] = bundle_of(number, sorted(slots), workspace)[1]
        except HarnessError as error:  # an unfinished slot stays here; what its starts say is in the summary
            files[f"figure-{number}.left-out.txt"] = f"{error}\n".encode()
    path = dest or _free_name(f"gpu-check_{pin.name}_{summary.node['id']}_{summary.made_at[:10]}")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(made.getvalue())
        place_new(temporary, path)
    except FileExistsError:
        raise HarnessError(f"{path}: is there already; move it away, or name another: --dest FILE") from None
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written ({error.strerror}); name another: --dest FILE") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _free_name(stem: str) -> Path:
    """A file here that is not there yet."""
    names = (f"{stem}{number}.zip" for number in ("", *(f"-{again}" for again in range(2, 1000))))
    return next(path for path in map(Path, names) if not path.exists())
