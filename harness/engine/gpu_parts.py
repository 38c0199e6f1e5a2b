"""GPUs that are split into parts (MIG): which whole one a part is of, and that one of them must be chosen.

Has run against the tests' own library only (tests/nvml_stub), not yet on a GPU.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import pynvml

from harness.engine.detect import VARIABLE, nvml
from harness.errors import HarnessError
from harness.record.plain import printable


def whole_of(gpu: Mapping[str, str]) -> str | None:
    """UUID of the GPU that this one of ``visible_gpus()`` is, or is a part of; None where the driver does not tell."""
    return gpu.get("parent_uuid") if gpu["uuid"].startswith("MIG-") else gpu["uuid"]


def split(gpu: Mapping[str, str]) -> str | None:
    """What to choose instead of a GPU in MIG mode, in one line; None: it is whole, or a part already.

    CUDA would take its first part, while facts, samples and the node were those of the whole GPU.
    """
    if gpu["uuid"].startswith("MIG-"):
        return None
    with nvml() as there, suppress(pynvml.NVMLError):
        handle = pynvml.nvmlDeviceGetHandleByUUID(gpu["uuid"]) if there else None
        if handle is None or pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return None
        parts = " or ".join(_parts(handle)) or "MIG-… (nvidia-smi -L lists them)"
        return f"GPU {pynvml.nvmlDeviceGetIndex(handle)} is split (MIG); choose a part: {VARIABLE}={parts}"
    return None


def check_whole(gpu: Mapping[str, str]) -> None:
    """Make sure that a start on the GPU uses what is recorded. Raises HarnessError: it is split, no part is chosen."""
    if why := split(gpu):
        raise HarnessError(why)


def _parts(handle: object) -> Iterator[str]:
    for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        with suppress(pynvml.NVMLError):  # numbers need not follow each other
            part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            yield printable(str(pynvml.nvmlDeviceGetUUID(part)), 60)
