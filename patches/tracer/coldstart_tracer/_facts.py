"""What a span states besides its time: detail and part, bytes copied and read meanwhile, the size of a traced graph."""

import os

from coldstart_tracer._spans import now, tracer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from coldstart_tracer.hook_table import Hook

_io: "list[int]" = []  # file descriptor of /proc/self/io while many calls ask for it


def detail_of(hook: "Hook", args: "Sequence[Any]") -> "str | None":
    """Text of the argument that the hook's ``detail`` names: of a whole number its digits; None where there is none."""
    if hook.get("detail") is None or len(args) <= hook["detail"]:
        return None
    detail = args[hook["detail"]]
    return str(detail) if isinstance(detail, (str, int)) else getattr(detail, "__name__", type(detail).__name__)


def with_detail(part: str, detail: "str | None") -> "str | None":
    """The part's name with its ``{detail}``; None where the call gave none: then it is no part."""
    if detail is None and "{detail}" in part:
        return None
    return part.replace("{detail}", detail or "")[:100]


def size_and_part(hook: "Hook", args: "Sequence[Any]") -> "tuple[int | None, str | None]":
    """Bytes of the tensor that is copied (None: there is none), and the name of the part (None: it is none)."""
    part, size = hook["part"], None
    if "counts_bytes" in hook:
        tensor: Any = args[hook["counts_bytes"]] if len(args) > hook["counts_bytes"] else None
        size = getattr(tensor, "nbytes", None)
        if "{devices}" in part:
            devices = "?" if size is None else f"{tensor.device.type} to {args[0].device.type}"
            part = part.replace("{devices}", devices)
    return size, with_detail(part, detail_of(hook, args))


def graph_size(graph: "Any") -> "dict[str, int]":
    """Nodes of a traced graph and bytes of its Python code, before the back end changes it.

    The code is written for this (0.03 s for a model of 3,000 nodes): to ask the module for its own would compile it
    too, and what the back end has it write later is of another form.
    """
    began = now()
    size = {"graph_nodes": len(graph.nodes), "graph_code_bytes": len(graph.python_code("self").src.encode())}
    tracer.self_ns += now() - began
    return size


def read_bytes() -> "int | None":
    """Bytes that this process has had from block devices, page faults of mapped files included; None where not told."""
    began = now()
    try:
        with open("/proc/self/io", "rb", 0) as file:
            return _read_bytes_in(file.read(1024))
    except (OSError, ValueError):
        return None
    finally:
        tracer.self_ns += now() - began


def open_io() -> None:
    """From now on ``read_bytes_open`` tells, at a third of the cost of ``read_bytes``."""
    if not _io:
        try:
            _io.append(os.open("/proc/self/io", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            pass  # not told: then there are no bytes


def close_io() -> None:
    """End of ``open_io``."""
    while _io:
        os.close(_io.pop())


def read_bytes_open() -> "int | None":
    """As ``read_bytes``, of the file that is open."""
    try:
        return _read_bytes_in(os.pread(_io[0], 1024, 0))
    except (OSError, ValueError, IndexError):
        return None


def _read_bytes_in(text: bytes) -> int:
    _, _, after = text.partition(b"\nread_bytes:")
    return int(after.split(b"\n", 1)[0])
