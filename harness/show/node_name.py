"""A machine in a few words, for captions and messages: what a start may use of it."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.record.identity import core_list, listed
from harness.record.plain import printable

_LONGEST = 48  # characters of one part
# What every CPU's name says besides its name: "(R)", "32-Core Processor", "CPU @ 2.40GHz".
_NOISE = re.compile(r"\((?:R|TM|C)\)|\b\d+-Core\b|\bProcessor\b|\bCPU\b|@\s*[\d.]+\s*[GM]Hz", re.IGNORECASE)


def node_name(node: Mapping[str, Any]) -> str:
    """``2 cores (0-1) of AMD EPYC 9354, 24 GiB, 2× NVIDIA L40S``; parts that the record does not state are left out."""
    return ", ".join(part for part in (_cpu(node), _memory(node), _gpus(node)) if part) or "unknown machine"


def _cpu(node: Mapping[str, Any]) -> str:
    model = " ".join(_NOISE.sub(" ", str(node.get("cpu_model") or "")).split())
    model = printable(model or "unknown CPU" if node.get("cpu_model") else "", _LONGEST)
    cpus = {cpu for cpu in listed(node, "cpus") if type(cpu) is int}
    if not cpus:
        return model
    which = printable(core_list(cpus).replace("-", "–"), _LONGEST // 2)
    return f"{len(cpus)} core{'s' if len(cpus) > 1 else ''} ({which})" + (f" of {model}" if model else "")


def _memory(node: Mapping[str, Any]) -> str:
    memory = node.get("memory_bytes")
    return f"{memory / 2**30:.0f} GiB" if type(memory) is int and 0 < memory < 1 << 60 else ""


def _gpus(node: Mapping[str, Any]) -> str:
    counts = Counter(printable(str(name), _LONGEST) for name in listed(node, "gpus"))
    named = [f"{count}× {name}" if count > 1 else name for name, count in counts.most_common(2)]
    return ", ".join([*named, *(["…"] if len(counts) > 2 else [])])
