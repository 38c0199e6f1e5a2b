"""Lines of a span file → headers and spans, each checked: a file may be cut off, damaged, or made by anybody."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeGuard

from harness.record.bounded import DECODER, HALF_CHARACTER
from harness.record.plain import is_name, printable

SCHEMA = 1
FOREVER_NS = 1 << 62
MAX_LINE_BYTES = 1 << 20  # a span that many garbage collections interrupted has a long line
CLOCK_S = 1e-9  # spans have nanoseconds: less is no time
KINDS = frozenset({"work", "wait", "container", "note"})
_MAX_PID = 1 << 31
_MAX_TEXT = 10_000
_TEXTS = ("package", "phase", "part", "module", "detail", "raised", "error", "hook")  # attributes that are text
_COUNTS = ("self_ns", "events", "restored", "child")  # … and whole numbers
_SIZES = ("graph_nodes", "graph_code_bytes")  # … that are none of nothing
_SUMS = frozenset({"calls", "ns", "bytes", "read_bytes"})  # of a part; the first two always


class SpanFileError(ValueError):
    """A span file that cannot be used; the message, one printable line, names file and line."""


@dataclass(frozen=True, slots=True)
class Span:
    """A named piece of work. ``end_ns`` is None for a span that was open when its process ended."""

    name: str
    begin_ns: int
    end_ns: int | None
    tid: int
    kind: str  # work | wait | container | note
    attrs: dict[str, Any]

    @property
    def package(self) -> str | None:
        """Top-level package of an import span, else None."""
        return self.attrs.get("package")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a span file: which process it is of, and when that began, ns on CLOCK_MONOTONIC."""

    pid: int
    parent_pid: int
    role: str
    exec_ns: int
    traced_ns: int


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The file's lines, one in memory at a time; of one that is too long, an empty one."""
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            line = b""
        yield line


def header_of(line: bytes) -> Header:
    """The header. Raises ValueError saying what is wrong."""
    raw = _object(line)
    if raw.get("schema", SCHEMA) != SCHEMA:
        raise ValueError(f"span schema {str(raw['schema'])[:20]!r}, this harness reads {SCHEMA}")
    pid, parent_pid, role, exec_ns, traced_ns = (
        raw.get(key) for key in ("pid", "parent_pid", "role", "exec_ns", "traced_ns")
    )
    if not (_is_pid(pid) and _is_pid(parent_pid, least=0) and _is_time(exec_ns) and _is_time(traced_ns)):
        raise ValueError("pid, parent_pid, exec_ns or traced_ns is absent or cannot be")
    if not isinstance(role, str) or not re.fullmatch("[A-Za-z0-9_-]{1,64}", role):
        raise ValueError("role is no name of letters, digits, - and _")
    return Header(pid, parent_pid, role, exec_ns, traced_ns)


def span_of(line: bytes) -> Span:
    """The span. Raises ValueError if the line is none, or states what cannot be."""
    raw = _object(line)
    name, begin, end, tid, kind, attrs = (
        raw.get(key) for key in ("name", "begin_ns", "end_ns", "tid", "kind", "attrs")
    )
    if not (_is_text(name) and _is_time(begin) and _is_pid(tid) and isinstance(kind, str) and kind in KINDS):
        raise ValueError("name, begin_ns, tid or kind is absent or cannot be")
    if "end_ns" not in raw or not (end is None or (_is_time(end) and end >= begin)):
        raise ValueError("a span does not end before it begins")
    if not isinstance(attrs, dict) or not all(_is_attribute(key, value) for key, value in attrs.items()):
        raise ValueError("attrs cannot be")
    if kind == "note" and name in ("tracer disarmed", "tracer exit") and not {"self_ns", "events"} <= set(attrs):
        raise ValueError("the tracer's account of itself is incomplete")
    for key in ("package", "phase", "part"):  # they become names in the record
        if key in attrs and not is_name(attrs[key]):
            attrs[key] = printable(attrs[key], 300) or "?"
    return Span(name, begin, end, tid, kind, attrs)


def _object(line: bytes) -> dict[str, Any]:
    try:
        raw = DECODER.decode(line.decode("utf-8", "replace"))
        if b"\\ud" in line.lower():
            raw = _whole_characters(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(raw, dict):
        raise ValueError("no object")
    return raw


def _whole_characters(value: Any) -> Any:
    """The value with ``?`` for halves of character pairs: a process may use them in names, a file cannot hold them."""
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    return HALF_CHARACTER.sub("?", value) if isinstance(value, str) else value


def _is_attribute(key: str, value: Any) -> bool:
    """Whether an attribute has the shape its readers rely on; others than these are flat."""
    if key in _TEXTS:
        return _is_text(value)
    if key in _COUNTS:
        return _is_whole(value)
    if key in _SIZES:
        return _is_whole(value) and value >= 0
    if key == "gc":
        return isinstance(value, list) and all(_is_collection(item) for item in value)
    if key == "waits_for":
        return isinstance(value, list) and all(map(_is_whole, value))
    if key == "parts":
        return isinstance(value, dict) and all(_is_text(part) and _are_sums(sums) for part, sums in value.items())
    items = value if isinstance(value, list) else [value]
    return _is_text(key) and all(item is None or _is_text(item) or isinstance(item, int | float) for item in items)


def _is_collection(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_time, value)) and value[0] <= value[1]


def _are_sums(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and {"calls", "ns"} <= set(value) <= _SUMS
        and all(_is_time(number) and number >= 0 for number in value.values())
    )


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _MAX_TEXT


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_time(value: Any) -> TypeGuard[int]:
    return type(value) is int and -FOREVER_NS < value < FOREVER_NS


def _is_pid(value: Any, least: int = 1) -> TypeGuard[int]:
    return type(value) is int and least <= value < _MAX_PID
