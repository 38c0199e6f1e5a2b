"""What the serving tracer wrote of one process: ``serving-<role>-<pid>.jsonl``, read from anywhere.

    header       process, clock, what one traced call costs, and the hooks
    spans        ``{"window": id, "spans": [[hook, tid, begin, end, self, cpu, cpu self, parent, told], …]}``
    window       after its spans: CPU and threads over the window, and over its detail intervals

Times are nanoseconds on CLOCK_MONOTONIC, CPU is nanoseconds of thread or process. A coroutine's span is one step of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from harness.record.load import LoadError, json_lines
from harness.record.plain import is_name, printable
from harness.record.runcheck import fits

SCHEMA_VERSION = 1
CLOCK = "CLOCK_MONOTONIC"
API, ENGINE, WORKER = "api", "engine", "worker"
ROLES = (API, ENGINE, WORKER)
WORK, WAIT, CONTAINER = "work", "wait", "container"
_KINDS = (WORK, WAIT, CONTAINER)
_MAX_SPANS = 20_000_000
_MAX_NS = 1 << 62
_MAX_TEXT = 2000
_ROW = 9


class AnatomyRunError(ValueError):
    """A run of the anatomy study that cannot be used; one printable line that names the file and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Hook:
    """``stage``: of ``analyse/stages.py``. ``detail``: it makes spans inside the detail intervals only."""

    name: str
    module: str
    stage: str
    kind: str  # work, wait, container
    detail: bool


class Span(NamedTuple):
    """One call of a hooked function, or one step of a coroutine; ``self`` is without children of the same thread."""

    hook: int
    tid: int
    begin_ns: int
    end_ns: int
    self_ns: int
    cpu_ns: int | None  # None: of a wait cut by the window's begin, where the kernel counts no thread's CPU
    cpu_self_ns: int | None
    parent: int  # hook of the span around it on this thread; -1: none
    told: Mapping[str, Any] | None


@dataclass(frozen=True)
class Thread:
    """A thread of the process over the window; ``wait_ns``: ready to run, but without a core."""

    tid: int
    name: str
    cpu_ns: int
    wait_ns: int


@dataclass(frozen=True)
class Detail:
    """An interval in which all hooks made spans."""

    begin_ns: int
    end_ns: int
    main_cpu_ns: int
    process_cpu_ns: int
    events: int
    told_ns: int


@dataclass(frozen=True)
class Window:
    """One load level, a little wider than the load."""

    window: str
    begin_ns: int
    end_ns: int
    process_cpu_ns: int
    main_cpu_ns: int
    events: int
    told_ns: int  # thread CPU that it took to say what spans tell
    threads: Sequence[Thread]
    detail: Sequence[Detail]
    spans: Sequence[Span]


@dataclass(frozen=True)
class ServingTrace:
    """One process. ``event_ns``: thread CPU that a traced call adds; ``inside_ns``: of it, in the call's own span;
    ``pass_ns``: what is added by a call that makes no span for want of detail.
    """

    role: str
    pid: int
    main_tid: int
    event_ns: int
    inside_ns: int
    pass_ns: int
    hooks: Sequence[Hook]
    windows: Mapping[str, Window]


def read_serving_trace(path: Path) -> ServingTrace:
    """The trace in a file.

    Raises:
        AnatomyRunError: absent, too large, cut off, or a line that cannot be (its number is named).
    """
    lines = _lines(path)
    header = next(lines, None)
    if header is None:
        raise AnatomyRunError(f"{path}: empty")
    trace = _header(*header)
    windows: dict[str, Window] = {}
    open_window, spans, total = "", list[Span](), 0
    where = header[0]
    for where, line in lines:
        name = line.get("window")
        if not isinstance(name, str) or not is_name(name) or name in windows or (spans and name != open_window):
            raise AnatomyRunError(f"{where}: window must be a name, and each window's lines stand together")
        if line.keys() == {"window", "spans"}:
            open_window = name
            spans += _spans(line["spans"], len(trace.hooks), where)
            if (total := total + len(line["spans"])) > _MAX_SPANS:
                raise AnatomyRunError(f"{where}: more than {_MAX_SPANS:,} spans")
        else:
            windows[name] = _window(line, spans, where)
            open_window, spans = "", []
    if spans:
        raise AnatomyRunError(f"{where}: cut off: window {open_window} has no end")
    return ServingTrace(**trace.__dict__ | {"windows": windows})


def _header(where: str, line: dict[str, Any]) -> ServingTrace:
    if line.pop("schema", None) != SCHEMA_VERSION or line.pop("clock", None) != CLOCK:
        raise AnatomyRunError(f"{where}: no serving trace of schema {SCHEMA_VERSION} on {CLOCK}")
    trace: ServingTrace = _checked({**line, "windows": {}}, ServingTrace, where, ("hooks", "windows"))
    if trace.role not in ROLES or trace.inside_ns > trace.event_ns:
        raise AnatomyRunError(f"{where}: role must be one of {', '.join(ROLES)}, inside_ns at most event_ns")
    hooks = [_checked(hook, Hook, f"{where}: hooks") for hook in _list(trace.hooks, f"{where}: hooks")]
    if any(hook.kind not in _KINDS for hook in hooks):
        raise AnatomyRunError(f"{where}: hooks: kind must be one of {', '.join(_KINDS)}")
    return ServingTrace(**trace.__dict__ | {"hooks": hooks})


def _window(line: dict[str, Any], spans: Sequence[Span], where: str) -> Window:
    found: Window = _checked({**line, "spans": []}, Window, where, ("threads", "detail", "spans"))
    threads = [_checked(each, Thread, f"{where}: threads") for each in _list(found.threads, f"{where}: threads")]
    detail = [_checked(each, Detail, f"{where}: detail") for each in _list(found.detail, f"{where}: detail")]
    for begin, end in ((found.begin_ns, found.end_ns), *((each.begin_ns, each.end_ns) for each in detail)):
        if begin > end:
            raise AnatomyRunError(f"{where}: an interval ends before it begins")
    if any(a.end_ns > b.begin_ns for a, b in pairwise(detail)):
        raise AnatomyRunError(f"{where}: detail: intervals must be in order and disjoint")
    return Window(**found.__dict__ | {"threads": threads, "detail": detail, "spans": spans})


def _spans(rows: Any, hooks: int, where: str) -> Iterator[Span]:
    for row in _list(rows, f"{where}: spans"):
        if not isinstance(row, list) or len(row) != _ROW or not _can_be(row, hooks):
            raise AnatomyRunError(f"{where}: a span that cannot be (got {repr(row)[:120]})")
        yield Span(*row)


def _can_be(row: list[Any], hooks: int) -> bool:
    hook, tid, begin, end, self_ns, cpu, cpu_self, parent, told = row
    whole = (hook, tid, begin, end, self_ns, parent)
    if not all(type(value) is int for value in whole) or not all(
        value is None or (type(value) is int and 0 <= value <= _MAX_NS) for value in (cpu, cpu_self)
    ):
        return False
    is_placed = 0 <= hook < hooks and -1 <= parent < hooks and tid >= 0 and 0 <= begin <= end <= _MAX_NS
    return is_placed and 0 <= self_ns <= _MAX_NS and _is_told(told)


def _is_told(told: Any) -> bool:
    if told is None:
        return True
    if not isinstance(told, dict) or len(told) > 16 or not all(is_name(key) for key in told):
        return False
    return all(
        value is None
        or (type(value) is int and 0 <= value <= _MAX_NS)
        or (isinstance(value, str) and is_name(value))
        or (isinstance(value, list) and all(isinstance(each, str) and is_name(each) for each in value))
        for value in told.values()
    )


Kind = TypeVar("Kind")


def _checked(document: Any, kind: type[Kind], where: str, later: Sequence[str] = ()) -> Kind:
    """An object of ``kind``, its fields checked but for those that are checked ``later``."""
    types = {each.name: each.type for each in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(document, dict) or document.keys() != types.keys():
        got = ", ".join(sorted(document.keys() ^ types.keys())) if isinstance(document, dict) else "no object"
        raise AnatomyRunError(f"{where}: missing or unknown keys: {got[:200]}")
    for name, annotation in types.items():
        value = document[name]
        if name in later:
            continue
        is_number_out = type(value) is int and not 0 <= value <= _MAX_NS
        is_text_out = isinstance(value, str) and not is_name(value, _MAX_TEXT)
        if not fits(value, annotation) or is_number_out or is_text_out:
            raise AnatomyRunError(f"{where}: {name} has a value that cannot be (got {repr(value)[:80]})")
    return kind(**document)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise AnatomyRunError(f"{where}: must be a list")
    return value


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's place, ``FILE: line 17``, and its JSON object."""
    try:
        for number, line in json_lines(path):
            yield f"{path}: line {number}", line
    except LoadError as error:
        raise AnatomyRunError(str(error)) from None
