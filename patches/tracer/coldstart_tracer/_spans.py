"""Spans of this process: per-thread stacks of open spans, and the file they are written to.

Lines are built by hand, not by json.dumps of a dict: thousands are written while the engine imports, and they must
cost next to nothing (benchmarks/tracer_overhead.py).
"""

import _thread
import os
import time

from coldstart_tracer._json import encode, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Stack = list[Any]  # open spans, outermost first, and calls that are added up (_many.py)

now = time.monotonic_ns

SCHEMA = 1
MANY = "many"  # kind of what lies on a stack and is no span: a call that is added up (_many.py)


class Span:
    """An open span. ``gc`` holds [begin_ns, end_ns, generation] of collections that interrupted it.

    ``parts``: part → sums over calls that are too many for spans.

    An import's ``name`` is the module's; its ``package`` is what marks it as an import.
    """

    __slots__ = ("attrs", "begin_ns", "gc", "kind", "name", "package", "parts")

    def __init__(self, name: str, kind: str, attrs: "dict[str, Any] | None", package: "str | None" = None) -> None:
        self.name = name
        self.kind = kind
        self.attrs: Any = attrs  # the dict; None of an import
        self.package = package
        self.gc: list[list[int]] | None = None
        self.parts: dict[str, dict[str, int]] | None = None
        self.begin_ns = now()


class Tracer:
    """This process's writer: role, file, open spans, and what the tracing itself has cost."""

    def __init__(self) -> None:
        self.armed = False
        self.fd = -1  # of the file, once it is open
        self.role = "main"
        self.pid = os.getpid()
        self.stacks: dict[int, Stack] = {}
        self.children: list[tuple[int, str]] = []  # (pid, role) of processes this one started
        self.self_ns = 0  # time spent in the tracer itself
        self.events = 0
        self.adding = 0  # how many functions are added up at the moment

    def stack(self) -> "Stack":
        """Open spans of the calling thread, outermost first."""
        ident = _thread.get_ident()
        stack = self.stacks.get(ident)
        if stack is None:
            stack = self.stacks[ident] = []
        return stack

    def open_file(self, header: "dict[str, object]") -> None:
        """Create this process's span file and write the header. Raises OSError."""
        base = os.path.join(os.environ["COLDSTART_TRACE_DIR"], f"{self.role}-{self.pid}")
        for number in ("", "-2", "-3", "-4"):  # a process that replaced its program, or a pid that was used again
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self.fd = os.open(f"{base}{number}.jsonl", flags, 0o644)
                break
            except FileExistsError:
                if number == "-4":
                    raise
        line = encode({"schema": SCHEMA, "clock": "CLOCK_MONOTONIC", **header}) + "\n"
        os.write(self.fd, line.encode())  # raises on a full disk: a file without a header is of no use

    def _write(self, line: str) -> None:
        """Append one line in one write: lines of concurrent threads do not mix, a kill loses at most one."""
        self.events += 1
        try:
            os.write(self.fd, line.encode("utf-8", "replace"))
        except OSError:  # a full disk must not stop the engine: stop tracing instead
            self.armed = False

    def write_span(self, span: "Span", end_ns: "int | None") -> None:
        """Write a span's line; ``end_ns`` None says that it is open."""
        if span.package is not None and not span.gc:  # most lines are imports: no dict is built for them
            name, attrs = quote("import " + span.name), f'{{"package":{quote(span.package)}}}'
        else:
            name = encode(span.name if span.package is None else "import " + span.name)
            more: dict[str, object] = {} if span.package is None else {"package": span.package}
            if span.gc and end_ns is not None:
                more["gc"] = span.gc
            if span.parts and end_ns is not None:
                more["parts"] = span.parts
            attrs = encode({**(span.attrs or {}), **more})
        end = "null" if end_ns is None else end_ns
        self._write(
            f'{{"name":{name},"begin_ns":{span.begin_ns},"end_ns":{end},"pid":{self.pid},'
            f'"tid":{_thread.get_native_id()},"role":"{self.role}","kind":"{span.kind}","attrs":{attrs}}}\n'
        )

    def begin(self, name: str, kind: str, attrs: "dict[str, Any]", announce: bool = True) -> "Span":
        """Open a span on the calling thread and, if ``announce``, write its begin line."""
        span = Span(name, kind, attrs)
        self.stack().append(span)
        if announce:
            self.write_span(span, None)
        self.self_ns += now() - span.begin_ns
        return span

    def end(self, span: "Span", end_ns: int, min_ns: float = 0) -> None:
        """Close a span: it and whatever was left open above it leave the stack.

        Shorter than ``min_ns``: no line, unless it has parts.
        """
        stack = self.stack()
        leave(stack, span)
        if self.adding:
            note_inside(stack, end_ns - span.begin_ns)
        if end_ns - span.begin_ns >= min_ns or span.parts:
            self.write_span(span, end_ns)
        elif span.gc and stack:  # its garbage collections stay on record
            stack[-1].gc = [*(stack[-1].gc or ()), *span.gc]
        self.self_ns += now() - end_ns

    def note(self, name: str, **attrs: object) -> None:
        """Write an event without duration: something the tracer has to say about itself."""
        span = Span(name, "note", attrs)
        self.write_span(span, span.begin_ns)


def leave(stack: "Stack", span: object) -> None:
    """Take ``span``, and whatever was left open above it, off the stack."""
    if stack and stack[-1] is span:
        stack.pop()
    elif span in stack:
        del stack[stack.index(span) :]


def phase_around(stack: "Stack") -> "str | None":
    """Phase of the work open on ``stack``, as the partition has it; None right inside a container, wait or import."""
    span: Span
    for span in reversed(stack):
        if span.kind == MANY:
            continue
        if span.package is not None or span.kind != "work":
            return None
        if "phase" in span.attrs:
            phase: str = span.attrs["phase"]
            return phase
    return None


def note_inside(stack: "Stack", took_ns: int) -> None:
    """A span of ``took_ns`` has left the stack: it was not the work of the call around it, if that is added up."""
    if stack and stack[-1].kind == MANY:
        stack[-1].inside_ns += took_ns


tracer = Tracer()
