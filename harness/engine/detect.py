"""Which GPUs this machine has, and which of them the caller lets a start use."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pynvml

from harness.engine.gpu_bus import on_the_bus
from harness.errors import HarnessError
from harness.record.plain import printable

VARIABLE = "CUDA_VISIBLE_DEVICES"
_NO_GPU = "NoDevFiles"  # what Slurm sets it to in a job without GPUs
_MIG_PROFILE = re.compile(r"\bMIG ([0-9]\S*)")  # of a name: "NVIDIA A100-SXM4-40GB MIG 1g.5gb"


class DriverError(HarnessError):
    """The driver is there and answers with an error: a GPU is lost, say, or may not be asked."""


@contextmanager
def nvml() -> Iterator[bool]:
    """NVML, if there is a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(pynvml.NVMLError):  # what was told counts, however the driver is left
            pynvml.nvmlShutdown()


def gpus() -> list[dict[str, str]]:
    """``uuid`` and ``name`` of the NVIDIA GPUs that NVML sees, in the order of the PCI bus; empty without a driver.

    Raises:
        DriverError: the driver does not tell of one of them.
    """
    return [_told(each) for each in _listed()]


def _listed() -> list[dict[str, str] | DriverError]:
    """Every GPU, or why the driver does not tell of it, which does not keep a start from using another one."""
    found: list[dict[str, str] | DriverError] = []
    with nvml() as there:
        for index in range(_count()) if there else ():
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                found.append({"uuid": str(pynvml.nvmlDeviceGetUUID(handle)), "name": _name(handle)})
            except pynvml.NVMLError as error:
                found.append(
                    DriverError(
                        f"GPU {index}: the NVIDIA driver answers: {error}; look at nvidia-smi, or choose others: "
                        f"export {VARIABLE}="
                    )
                )
    return found


def _count() -> int:
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError as error:
        raise DriverError(f"the NVIDIA driver does not count its GPUs: {error}; look at nvidia-smi") from None


def _told(gpu: dict[str, str] | DriverError) -> dict[str, str]:
    if isinstance(gpu, DriverError):
        raise gpu
    return gpu


def visible_gpus() -> list[dict[str, str]]:
    """Those of ``gpus()`` that CUDA_VISIBLE_DEVICES chooses, in its order: all if it is not set, none if it is empty.

    It is a list of indices (in NVML's order), UUIDs or their beginnings (``GPU-8932f937``) and MIG ids (``MIG-…``).
    A negative index ends the list, as it does for CUDA. A machine without GPUs has none, whatever the variable says.
    A part of a GPU (MIG) has ``parent_uuid`` and ``profile`` (``1g.5gb``) too, where the driver tells them.

    Raises:
        HarnessError: an entry names no GPU here, or one a second time.
        DriverError: the driver does not tell of one that is chosen.
    """
    value = os.environ.get(VARIABLE)
    known = _listed()
    if value is None or not known:
        return [_told(each) for each in known]
    chosen: list[dict[str, str]] = []
    for entry in map(str.strip, value.split(",") if value.strip() else []):
        if entry == _NO_GPU or (entry.startswith("-") and entry[1:].isdecimal()):
            break
        found = _mig(entry) if entry.startswith("MIG-") else _gpu(entry, known)
        if found in chosen:
            raise HarnessError(f"{VARIABLE}={value}: names {found['uuid']} twice; name each GPU once")
        chosen.append(found)
    return chosen


def gpus_of_start(count: int | None) -> list[dict[str, str]]:
    """Of ``visible_gpus()`` those that a start takes: the first ``count``, as CUDA numbers them; None: all, 0: none.

    Raises as ``visible_gpus``.
    """
    return visible_gpus()[:count] if count != 0 else []


def device_variables() -> dict[str, str]:
    """The variables that make an engine use exactly ``visible_gpus()``, in that order; none without GPUs.

    Indices, because vLLM 0.10.1.1 reads each entry as a number and ends with an error at a UUID; and counted along the
    PCI bus as NVML does, because CUDA by itself counts the fastest GPU first. MIG ids have no index: they stay.
    """
    known = _listed()
    if not known:
        return {}
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    chosen = [gpu["uuid"] for gpu in visible_gpus()]
    if VARIABLE not in os.environ:
        return order
    uuids = [_uuid(each) for each in known]
    return order | {VARIABLE: ",".join(str(uuids.index(uuid)) if uuid in uuids else uuid for uuid in chosen)}


def _uuid(gpu: dict[str, str] | DriverError) -> str:
    return "not told" if isinstance(gpu, DriverError) else gpu["uuid"]


def _gpu(entry: str, known: list[dict[str, str] | DriverError]) -> dict[str, str]:
    """The GPU with this index or UUID, or the only one whose UUID begins so."""
    if entry.isdecimal():
        found = known[int(entry) : int(entry) + 1] if len(entry) < 10 else []
    else:
        found = [gpu for gpu in known if _uuid(gpu).startswith(entry)] if entry.startswith("GPU-") else []
    if len(found) != 1:
        gpus_here = ", ".join(f"{index} ({_uuid(gpu)})" for index, gpu in enumerate(known))
        which = "more than one GPU" if found else "no GPU"
        raise HarnessError(f"{VARIABLE}: '{entry}' names {which} of this machine; it has {gpus_here}")
    return _told(found[0])


def _mig(entry: str) -> dict[str, str]:
    """A part of a GPU. Older drivers and containers cannot list them: then CUDA must say whether it exists."""
    with nvml():
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(entry)
            found = {"uuid": str(pynvml.nvmlDeviceGetUUID(handle)), "name": _name(handle)}
        except pynvml.NVMLError:
            return {"uuid": entry, "name": "part of a GPU (MIG)"}
        return found | mig_facts(handle)


def mig_facts(handle: Any) -> dict[str, str]:
    """``parent_uuid`` and ``profile`` of a part of a GPU, as far as the driver tells; NVML must be open."""
    facts = {}
    with suppress(pynvml.NVMLError):
        parent = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
        facts["parent_uuid"] = str(pynvml.nvmlDeviceGetUUID(parent))
        if profile := _MIG_PROFILE.search(_name(handle)):
            facts["profile"] = profile[1]
    return facts


def _name(handle: Any) -> str:
    return str(pynvml.nvmlDeviceGetName(handle))


def driver_versions() -> dict[str, str | None]:
    """Version of the NVIDIA driver and the newest CUDA it supports; None without a driver.

    ``cuda_version`` alone is None where ``libcuda.so.1``, which NVML asks for it, is not there: in a container that was
    given the driver's utilities only.

    Raises:
        DriverError: the driver does not tell.
    """
    with nvml() as there:
        if not there:
            return {"driver_version": None, "cuda_version": None}
        try:
            return {"driver_version": str(pynvml.nvmlSystemGetDriverVersion()), "cuda_version": _cuda_version()}
        except pynvml.NVMLError as error:
            raise DriverError(f"the NVIDIA driver does not tell its version: {error}; look at nvidia-smi") from None


def _cuda_version() -> str | None:
    try:
        cuda = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())  # 13000 is 13.0
    except pynvml.NVMLError as error:
        if error.value in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND):
            return None
        raise
    return f"{cuda // 1000}.{cuda % 1000 // 10}"


def unasked() -> str | None:
    """The driver's words where there is an NVIDIA GPU, and a driver that does not let itself be asked; else None.

    Whoever hides all GPUs does not want to hear of their driver: None.
    """
    first = os.environ.get(VARIABLE, "all").split(",")[0].strip()
    if first in ("", _NO_GPU) or first.startswith("-"):
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        none = error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND or not on_the_bus()
        return None if none else printable(str(error), 80)
    with suppress(pynvml.NVMLError):
        pynvml.nvmlShutdown()
    return None


def compute_capability(uuid: str) -> str | None:
    """Of a GPU, e.g. 9.0; None where the driver does not tell."""
    with nvml() as there:
        if not there:
            return None
        try:
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError:
            return None
        return f"{major}.{minor}"
