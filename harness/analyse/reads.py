"""What a start read from block devices while it loaded its weights, as the tracer noted it at the loader's hook."""

from collections.abc import Iterable

from harness.analyse.spans import Process


def load_read_bytes(processes: Iterable[Process]) -> int | None:
    """Bytes that all processes together had from block devices inside ``load_weights``; None if no span states it.

    Page faults of mapped files and direct reads are in it, reads from the page cache are not.
    """
    read = [
        span.attrs["read_bytes"]
        for process in processes
        for span in process.spans
        if span.attrs.get("phase") == "load_weights" and isinstance(span.attrs.get("read_bytes"), int)
    ]
    return sum(read) if read else None
