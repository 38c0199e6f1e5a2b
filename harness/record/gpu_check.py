"""What the check of a machine with a GPU came to: ``gpu-check.json``, and the copies that were timed for it.

    gpu-check.json   ``CheckSummary``: machine, engine, every start of its figures, the numbers and their bounds
    h2d.json         ``Transfers`` in ``runs/<node>/gpu_check/<pin>-<8 hex>/1/``: timed copies from memory to the device

Seconds and bytes only; absent is null, never 0.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.plain import printable
from harness.record.runcheck import MAX_SECONDS

# 1 (2026-11-30): first version.
SCHEMA_VERSION = 1
STUDY = "gpu_check"
SUMMARY, TRANSFERS = "gpu-check.json", "h2d.json"
_MAX_BYTES = 16 << 20


class GpuCheckError(ValueError):
    """A file of the check that cannot be used; the message, one printable line, names it and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Copy:
    """One timed copy. ``memory``: pinned, pageable or mapped."""

    memory: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Transfers:
    """Copies from memory to ``device`` ("cpu": a rehearsal without a GPU)."""

    device: str
    made_at: str  # ISO 8601, UTC
    copies: tuple[Copy, ...]

    def write(self, folder: Path) -> None:
        """Write ``folder/h2d.json``."""
        write_json(folder / TRANSFERS, {"schema_version": SCHEMA_VERSION, **asdict(self)})


def copies_of(samples: Any) -> tuple[Copy, ...]:
    """What a worker timed. Raises ValueError: something else than copies of some bytes in some time."""
    found = []
    for each in samples if isinstance(samples, list) else [None]:
        match each:
            case {"memory": str(memory), "bytes": int(size), "seconds": float(seconds)} if size > 0:
                if not 0 < seconds < MAX_SECONDS:
                    raise ValueError(f"a copy of {seconds} s")
                found.append(Copy(memory, size, seconds))
            case _:
                raise ValueError("no list of copies")
    return tuple(found)


def read_transfers(folder: Path) -> Transfers:
    """Read ``folder/h2d.json``. Raises GpuCheckError: absent, damaged, or of another schema."""
    path = folder / TRANSFERS
    try:
        document = parse_json(read_bounded(path, _MAX_BYTES))
        match document:
            case {"schema_version": 1, "device": str(device), "made_at": str(made_at), "copies": copies}:
                return Transfers(device, made_at, copies_of(copies))
    except OSError as error:
        raise GpuCheckError(f"{path}: not readable ({error.strerror})") from None
    except (UnreadableError, ValueError) as error:
        raise GpuCheckError(f"{path}: {error}") from None
    raise GpuCheckError(f"{path}: no timed copies of schema {SCHEMA_VERSION}")


@dataclass(frozen=True)
class CheckedStart:
    """One run of one of the check's figures, as far as its numbers need it."""

    figure: str
    slot: str
    case: str
    run_id: str
    kind: str  # warmup, measured
    model: str
    twin: bool
    status: str
    counts: bool
    reason: str | None
    ready_s: float | None
    first_token_s: float | None
    unattributed_s: float | None
    hook_s: float | None  # what the tracer itself took until ready, summed over processes
    tensor_bytes: int | None  # of the checkpoint
    captured_sizes: int | None
    phases: dict[str, float]
    parts: tuple[dict[str, Any], ...]  # rows of parts.csv
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A number that was to be reached. ``met`` is None where it could not be told; ``why`` says so, or explains."""

    name: str
    what: str
    value: float | None
    bound: str
    met: bool | None
    why: str


@dataclass(frozen=True)
class CheckSummary:
    """gpu-check.json. ``device``: of the engine; "cpu" is a rehearsal and says nothing about a GPU."""

    made_at: str
    device: str
    node: dict[str, Any]
    gpus: list[dict[str, Any]]
    engine: dict[str, Any]
    harness: dict[str, Any]
    starts: Sequence[CheckedStart]
    transfers: Transfers | None
    numbers: Sequence[Number]
    missing: Sequence[str]  # stages that lack starts that count, or copies
    problems: Sequence[str] = ()  # of the call that says this

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}
