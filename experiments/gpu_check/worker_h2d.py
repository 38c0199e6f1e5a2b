"""How fast this machine copies from memory to the GPU: ``python -m experiments.gpu_check.worker_h2d REQUEST RESULT``.

Runs under an engine's Python. REQUEST: {"device", "mib": [sizes], "repeats", "file"}. RESULT: {"device", "samples":
[{"memory", "bytes", "seconds"}]}, every copy timed by itself, from

    pinned    memory that the device may read by itself: the link's own limit
    pageable  ordinary memory: the driver copies it into a pinned buffer of its own first
    mapped    a new mapping of ``file``, as safetensors loads it: the same, and a page fault for every page

Where the device is no GPU ("cpu", a rehearsal) nothing can be pinned, and the copies stay in memory.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

_MIB = 1 << 20


def samples(device: str, mib: list[int], repeats: int, file: Path) -> Iterator[dict[str, Any]]:
    """Every size from every kind of memory, ``repeats`` times after one copy that does not count.

    A size that the file does not have is left out for ``mapped``.
    """
    on_gpu = device != "cpu"
    sources: dict[str, Callable[[int], torch.Tensor]] = {
        **({"pinned": lambda size: _filled(size).pin_memory()} if on_gpu else {}),
        "pageable": _filled,
        "mapped": lambda size: _mapped(file, size),
    }
    for size in (each * _MIB for each in mib):
        target = torch.empty(size, dtype=torch.uint8, device=device)
        for memory, make in sources.items():
            if memory == "mapped" and file.stat().st_size < size:
                continue
            source = make(size)
            for number in range(repeats + 1):
                if memory == "mapped":
                    source = make(size)  # its pages are not in this process's tables yet, as in a start
                seconds = _timed_copy(target, source, on_gpu)
                if number:
                    yield {"memory": memory, "bytes": size, "seconds": seconds}


def _filled(size: int) -> torch.Tensor:
    """Memory that is really there: untouched pages are all the same page of zeros."""
    return torch.ones(size, dtype=torch.uint8)


def _mapped(file: Path, size: int) -> torch.Tensor:
    return torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8)


def _timed_copy(target: torch.Tensor, source: torch.Tensor, on_gpu: bool) -> float:
    if on_gpu:
        torch.cuda.synchronize()
    begun = time.perf_counter()
    target.copy_(source)
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def main(request_path: str, result_path: str) -> None:
    """Time the copies that are asked for."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    found = list(samples(request["device"], request["mib"], request["repeats"], Path(request["file"])))
    name = "cpu" if request["device"] == "cpu" else torch.cuda.get_device_name()
    Path(result_path).write_text(json.dumps({"device": name, "samples": found}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
