"""Before a start: bring the declared state about. After it: prove, also by what it read, that it was so.

prepare   caches filled → disk probed → machine quiet → libraries and weights evicted or read → looked at
(the start)
evidence  certificate and noise of the run
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.analyse.gpu_marks import gpu_marks
from harness.analyse.phases import COMPILING_LEAVES
from harness.errors import HarnessError
from harness.measure.libraries import look_at_libraries
from harness.measure.model_place import ModelPlace, model_place
from harness.measure.result import Outcome
from harness.spec.state import StartState, is_cold, storage_name
from harness.state.certificates import (
    CachePart,
    Reads,
    Storage,
    compile_certificate,
    library_certificate,
    model_info_certificate,
    not_reached,
    recorded_hash,
    storage_certificate,
)
from harness.state.clocks import ClockWatch, clock_certificate
from harness.state.device_reads import DeviceReads
from harness.state.drop_caches import drop_all_caches
from harness.state.files import FilesState, look, make_cold, make_warm
from harness.state.filesystem import FileSystem, filesystem_of
from harness.state.gpu_facts import gpu_facts
from harness.state.hold import held
from harness.state.interference import Watch
from harness.state.probe import probe
from harness.state.quiet import WAITABLE, WAITABLE_BESIDE, Quiet, wait_until_quiet
from harness.state.sandbox import Contents, Sandbox
from harness.state.shared_memory import inventory, left_behind

FOUND_LEAF, FOUND_S = "graph_compile_cached", 0.1  # looking for a graph takes milliseconds, loading one seconds
# Where an engine copies its weights, as the CPU engine does, locked ones must leave it room for the copy.
HELD_SHARE = 0.5


class StateNotReachedError(Exception):
    """The declared state cannot be brought about; the message says why, in one line."""


@dataclass(frozen=True)
class Surroundings:
    """What of a case lies outside its command: files whose place in memory is declared."""

    model: Path | None  # folder of the model as the engine is given it
    libraries: tuple[Path, ...]  # folders of the engine's environment; none: they are not looked at
    direct: bool = False  # the load format reads past the page cache
    quiet_wait_s: float = 0.0  # how long to wait for a quiet machine at most; 0: it is not looked at
    drop_caches: bool = False  # before each start drop all of the machine's page cache, not only what is evicted
    gpus: int | None = None  # how many of the visible GPUs the start uses, the first ones; None: all of them
    # Called right before each start of a case that is measured at once with another one; returns the run's mark.
    together: Callable[[], str] | None = None


@dataclass(frozen=True)
class Prepared:
    """What was found right before the start."""

    state: StartState
    contents: Contents
    quiet: Quiet | None
    direct: bool
    place: ModelPlace | None
    model: FilesState | None
    libraries: FilesState | None
    file_system: FileSystem | None
    held: bool
    probe: tuple[float, str] | None
    shared_memory: dict[str, int]
    clock: ClockWatch
    watch: Watch
    device: DeviceReads | None
    gpus: tuple[dict[str, Any], ...]  # facts of those that the start may use
    together: str | None = None  # how the start was made at once with another one


@contextmanager
def prepared(
    state: StartState, around: Surroundings, sandbox: Sandbox, announce: Callable[[str], None]
) -> Iterator[Prepared]:
    """The state, brought about and looked at; what must stay in memory is held there while the block runs.

    Raises:
        StateNotReachedError: something defeats it; a start would measure something else.
        OSError: the caches cannot be written.
    """
    sandbox.fill(state)
    contents = sandbox.contents()
    place = _place(around.model) if around.model else None
    file_system = filesystem_of(place.disk) if place else None
    cold = is_cold(state.storage)
    if cold and place and not place.weights:
        raise StateNotReachedError(f"{around.model}: has no weights that could be read from a disk")
    probed = probe(place.disk) if cold and place else None
    size = sum(path.stat().st_size for path in place.files) if place else 0
    waitable = WAITABLE_BESIDE if around.together else WAITABLE
    quiet = None
    if around.quiet_wait_s > 0:
        quiet = wait_until_quiet(size, around.quiet_wait_s, announce, waitable, around.gpus)
    if around.drop_caches:
        drop_all_caches(announce)
    gpus = tuple(gpu_facts(around.gpus))
    libraries, model = _brought_about(state, around, place, cold)
    with ExitStack() as stack:
        room = HELD_SHARE * psutil.virtual_memory().available
        files = place.files if place and state.storage == "ram" else ()
        is_held = stack.enter_context(held(files, size <= room)) if files else False
        together = around.together() if around.together else None
        yield Prepared(
            state,
            contents,
            quiet,
            around.direct,
            place,
            model,
            libraries,
            file_system,
            is_held,
            probed,
            inventory(),
            ClockWatch(),
            Watch(),
            DeviceReads(file_system.device) if file_system and not file_system.in_memory else None,
            gpus,
            together,
        )


def _place(folder: Path) -> ModelPlace:
    try:
        return model_place(folder)
    except (HarnessError, OSError) as error:
        raise StateNotReachedError(f"the model's files cannot be looked at: {error}") from None


def _brought_about(
    state: StartState, around: Surroundings, place: ModelPlace | None, cold: bool
) -> tuple[FilesState | None, FilesState | None]:
    """Libraries and model's files, evicted or read, and looked at; the weights last."""
    try:
        libraries = look_at_libraries(state.libraries, around.libraries)
        if libraries is not None and (why := library_certificate(state.libraries, libraries)["reason"]):
            raise StateNotReachedError(why)
        if place is None:
            return libraries, None
        act = make_cold if cold else make_warm if state.storage == "ram" else look
        model = act(place.files)
    except HarnessError as error:  # they do not fit into memory, or one cannot be read
        raise StateNotReachedError(str(error)) from None
    if why := not_reached(storage_name(state.storage), model):
        raise StateNotReachedError(why)
    return libraries, model


def evidence(
    prepared: Prepared, sandbox: Sandbox, outcome: Outcome, resources: Mapping[str, Any], warm_up: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Certificate and noise of the run that was just made. ``warm_up``: the certificate of the session's warm-up."""
    lines, after = outcome.cache_lines, sandbox.contents()
    compiling_s = sum(outcome.phases.get(leaf, 0.0) for leaf in COMPILING_LEAVES)
    found_compiled = outcome.graph is not None and outcome.phases.get(FOUND_LEAF, 0.0) > FOUND_S
    compile_cache, model_info = (
        CachePart(
            getattr(prepared.state, part),
            getattr(prepared.contents, part),
            getattr(after, part),
            recorded_hash(warm_up, part),
        )
        for part in ("compile_cache", "model_info")
    )
    certificate = {
        "compile_cache": compile_certificate(compile_cache, compiling_s, found_compiled, lines),
        "model_info": model_info_certificate(model_info, lines),
        **clock_certificate(prepared.clock.jump_s(), prepared.clock.slept_s()),
        **outcome.trace_certificate,
    }
    if prepared.model is not None and prepared.file_system is not None:
        reads = Reads(
            outcome.load_read_bytes, resources.get("read_bytes"), prepared.device.bytes() if prepared.device else None
        )
        certificate["storage"] = storage_certificate(_storage(prepared, reads, prepared.file_system))
    if prepared.libraries is not None:
        certificate["libraries"] = library_certificate(prepared.state.libraries, prepared.libraries)
    marks = [*gpu_marks(prepared.gpus, outcome.gpu_samples), *outcome.trace_marks]
    return certificate, _noise(prepared, float(resources.get("cpu_s") or 0.0), marks)


def _storage(prepared: Prepared, reads: Reads, file_system: FileSystem) -> Storage:
    assert prepared.model is not None
    assert prepared.place is not None
    changed = prepared.model.changed()
    return Storage(
        declared=storage_name(prepared.state.storage),
        direct=prepared.direct,
        weight_bytes=sum(file.bytes for file in prepared.model.files if file.path in prepared.place.weights),
        before=prepared.model,
        changed=changed,
        after=None if changed else look(prepared.place.files),
        held=prepared.held,
        reads=reads,
        file_system=file_system,
        probe=prepared.probe,
    )


def _noise(prepared: Prepared, tree_cpu_s: float, more: Sequence[str]) -> dict[str, Any]:
    during = prepared.watch.stop(tree_cpu_s)
    before = prepared.quiet.noise if prepared.quiet else None
    return {
        "marks": [
            *([prepared.together] if prepared.together else []),
            *(before.marks if before else ()),
            *during.marks,
            *more,
        ],
        "before": before.facts if before else None,
        "waited_s": prepared.quiet.waited_s if prepared.quiet else None,
        "during": during.facts,
        "left_in_shared_memory": left_behind(prepared.shared_memory, inventory()),
    }
