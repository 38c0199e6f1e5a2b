"""What is proved about the state that one run started from: what was declared of each part, does it hold, why not.

A part that does not hold keeps its run out of every mean. Pure functions over what was looked at before and after.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.analyse.cache_lines import CacheLines
from harness.spec.state import Content, is_cold
from harness.state.files import FilesState, Verdict
from harness.state.filesystem import FileSystem
from harness.state.sandbox import Inventory

Part = dict[str, Any]

# Of the weights' bytes: a cold load reads at least so much from the device, a warm one at most.
COLD_SHARE, WARM_SHARE = 0.99, 0.01
LIBRARIES_SHARE = 0.99  # of warm libraries' bytes
# A loader's own reading of file headers, and imports that it makes while it loads; decides only for tiny twins.
SLACK_BYTES = 1 << 20
_RECORDED = ("kind", "device_name", "device_model", "scheduler", "read_ahead_bytes", "rotational")  # of a file system


@dataclass(frozen=True)
class Reads:
    """Bytes from block devices, from three sides; None where one is not told."""

    load: int | None  # by the processes that loaded weights, while they did
    tree: int | None  # by the whole process tree, whenever
    device: int | None  # from the device, by whoever, during the run


@dataclass(frozen=True)
class Storage:
    """One run's view of the model's files."""

    declared: str  # as records have it
    direct: bool  # the load format reads past the page cache
    weight_bytes: int  # of the files that the loader reads
    before: FilesState
    changed: str | None  # how the files are no longer those that were looked at
    after: FilesState | None  # None: they changed
    held: bool  # locked in memory during the start
    reads: Reads
    file_system: FileSystem
    probe: tuple[float, str] | None  # bytes per second that the device gave just before, and by what


def storage_certificate(storage: Storage) -> Part:
    """Whether the weights were where the start's storage level says, before it and by what was read during it."""
    return _part(
        storage.declared,
        _before(storage) or _during(storage),
        files=len(storage.before.files),
        bytes=storage.before.bytes,
        weight_bytes=storage.weight_bytes,
        resident_bytes_before=storage.before.resident_bytes,
        resident_bytes_after=storage.after.resident_bytes if storage.after else None,
        held=storage.held,
        direct=storage.direct,
        read_bytes={"load": storage.reads.load, "tree": storage.reads.tree, "device": storage.reads.device},
        file_system={name: getattr(storage.file_system, name) for name in _RECORDED},
        probe_bytes_per_s=storage.probe[0] if storage.probe else None,
        probe_by=storage.probe[1] if storage.probe else None,
    )


def not_reached(declared: str, found: FilesState) -> str | None:
    """Why the files are not where the level says; None if they are."""
    if declared == "as found":
        return None
    wanted: Verdict = "evicted" if is_cold(declared) else "resident"
    if found.holds(wanted):
        return None
    if found.verdict == "unverifiable":
        return f"it cannot be proved where the model's bytes are: {found.reason}; measure a copy: --storage path:DIR"
    share = "an unknown share" if found.resident_fraction is None else f"{found.resident_fraction:.1%}"
    why = f": {found.reason}" if found.reason else ""
    return f"{share} of the model's bytes was in memory before the start, declared is {declared}{why}"


def _before(storage: Storage) -> str | None:
    if storage.declared == "tmpfs" and not storage.file_system.in_memory:
        return "the copy for tmpfs does not lie in memory"
    return not_reached(storage.declared, storage.before)


def _during(storage: Storage) -> str | None:
    """What was read contradicts what is declared, or the files are not those that were looked at."""
    weights, reads = storage.weight_bytes, storage.reads
    if storage.declared == "as found":
        return None
    if storage.changed:
        return f"the model's files changed during the run: {storage.changed}"
    if is_cold(storage.declared):
        read = reads.load if reads.load is not None else reads.tree
        wanted = _to_be_read(storage)
        if read is not None and read < min(COLD_SHARE * wanted, wanted - SLACK_BYTES):
            return f"only {read} of the weights' {weights} bytes came from the device: something else read them first"
        return None if read is not None else "nothing says how much the start read from the device"
    if reads.load is not None and reads.load > max(WARM_SHARE * weights, SLACK_BYTES):
        return f"{reads.load} of the weights' {weights} bytes came from the device although they were in memory"
    if reads.load is None and storage.after and storage.after.verdict != "resident":  # a start without the tracer
        return "some of the weights were not in memory any more after the start"
    return None


def _to_be_read(storage: Storage) -> int:
    """What a loader must have read: all of the weights, or of mapped files what is in memory now.

    A model may leave tensors of its files alone (draft heads, towers for images), which are then never touched.
    """
    there = storage.after.resident_bytes if storage.after else None
    return storage.weight_bytes if storage.direct or there is None else min(storage.weight_bytes, there)


def library_certificate(declared: str, found: FilesState) -> Part:
    """Whether the engine's libraries were in memory (``warm``), evicted (``cold``), or only looked at.

    Of twenty thousand files a kernel that reclaims idle pages takes some back while the others are read.
    """
    warm = found.holds("resident") or (found.resident_fraction or 0.0) >= LIBRARIES_SHARE
    holds = {"cold": found.holds("evicted"), "as found": True}.get(declared, warm)
    reason = None
    if not holds:
        share = "an unknown share" if found.resident_fraction is None else f"{found.resident_fraction:.1%}"
        reason = f"{share} of the libraries' bytes was in memory, declared is {declared}"
        reason += f": {found.reason}" if found.reason else ""
    facts = {"files": len(found.files), "bytes": found.bytes, "resident_bytes_before": found.resident_bytes}
    return _part(declared, reason, **facts)


@dataclass(frozen=True)
class CachePart:
    """One part of the sandbox around a run. ``warm_up``: its inventory's hash after the session's warm-up start."""

    declared: Content
    before: Inventory
    after: Inventory
    warm_up: str | None

    @property
    def wrong_content(self) -> str | None:
        """Why it did not hold what was declared before the start."""
        if self.declared == "empty" and self.before.files:
            return f"{self.before.files} files were in the caches before the start"
        if self.declared == "warm-up" and self.warm_up is None:
            return "no warm-up start of this session counts, whose caches it could begin with"
        if self.declared == "warm-up" and self.before.sha256 != self.warm_up:
            return "the caches were not those that the warm-up start left"
        return None


def compile_certificate(part: CachePart, compiling_s: float, found_compiled: bool, lines: CacheLines) -> Part:
    """Whether the start found the compiled graphs it was to find: by files, by spans and by log.

    ``compiling_s``: spent in the compiler's stages behind Dynamo. It matters where a start compiles again into files
    that exist already. ``found_compiled``: by its spans it traced a graph and then had one loaded.
    """
    reason = part.wrong_content
    new = part.after.compiled - part.before.compiled
    if reason is None and part.declared == "empty" and lines.graphs_loaded:
        reason = "the log says that a compiled graph was loaded, although the caches were empty: there is another cache"
    if reason is None and part.declared == "empty" and found_compiled and new <= 0 and compiling_s == 0:
        reason = "the start compiled nothing, although the caches were empty: there is another cache"
    if reason is None and part.declared == "warm-up":
        if new > 0:
            reason = f"the start compiled {new} new objects"
        elif compiling_s > 0:
            reason = f"the start spent {compiling_s:.2f} s compiling although the caches were filled"
        elif lines.graphs_compiled:
            reason = f"the log says that {lines.graphs_compiled} graphs were compiled although the caches were filled"
    facts = {"before": asdict(part.before), "after": asdict(part.after), "compiling_s": compiling_s}
    log = {"loaded": lines.graphs_loaded, "compiled": lines.graphs_compiled}
    return _part(part.declared, reason, **facts, log=log)


def model_info_certificate(part: CachePart, lines: CacheLines) -> Part:
    """Whether the start found what vLLM knows about model classes, or had to look itself, as declared."""
    reason = part.wrong_content
    if reason is None and part.declared == "empty" and lines.model_info_loaded:
        reason = "the log says that model facts were loaded from a cache, although it was empty"
    if reason is None and part.declared == "warm-up" and lines.model_info_missed:
        reason = "the log says that model facts were missing from the cache, although it was filled"
    log = {"loaded": lines.model_info_loaded, "missed": lines.model_info_missed}
    return _part(part.declared, reason, before=asdict(part.before), after=asdict(part.after), log=log)


def _part(declared: str, reason: str | None, **facts: Any) -> Part:
    return {"declared": declared, "holds": reason is None, "reason": reason, **facts}


def recorded_hash(certificate: Mapping[str, Any], part: str) -> str | None:
    """The hash of what a warm-up start left in a part of its caches, from its certificate."""
    after = certificate.get(part, {}).get("after", {})
    found = after.get("sha256") if isinstance(after, Mapping) else None
    return found if isinstance(found, str) else None


def recorded_hashes(certificate: Mapping[str, Any]) -> dict[str, str | None]:
    """Part of the caches → the hash of what a warm-up start left in it, from its certificate."""
    return {part: recorded_hash(certificate, part) for part in ("compile_cache", "model_info")}
