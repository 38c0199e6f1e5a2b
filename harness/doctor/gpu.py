"""The GPUs that a start may use, and why there is none."""

import os
from dataclasses import dataclass

import pynvml

from harness.doctor.check import Check
from harness.engine.detect import DriverError, driver_versions, gpus, visible_gpus
from harness.engine.gpu_bus import on_the_bus
from harness.engine.gpu_parts import split
from harness.engine.pin_fit import NO_CUDA, TO_HAVE_CUDA
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.state import readings

NAME = "gpu"
_VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpus:
    """What a start may use."""

    check: Check
    names: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    memory_bytes: int | None = None  # of one of them, which is what a start takes
    broken: bool = False  # no start can be made, on whatever device


def look_at_gpus() -> Gpus:
    """The visible GPUs. A machine without any is none that is broken: most figures need none."""
    needed = "an NVIDIA GPU with its driver, for the paper's own engine"
    try:
        visible = visible_gpus()
        known = visible or gpus()
        versions = driver_versions()
    except DriverError as error:  # a GPU has fallen off the bus, say
        hidden = not os.environ.get(_VISIBLE, "as they are").strip()
        return Gpus(Check(NAME, "cannot", printable(str(error), 160), needed), broken=not hidden)
    except HarnessError as error:
        return Gpus(Check(NAME, "missing", printable(str(error), 160), needed, f"unset {_VISIBLE}"), broken=True)
    if not visible and known:
        found = f"{len(known)} hidden by {_VISIBLE}={printable(os.environ.get(_VISIBLE, ''), 40)}"
        return Gpus(Check(NAME, "warn", found, needed, f"unset {_VISIBLE}"))
    if not visible:
        return Gpus(_no_gpu(needed))
    use = readings.gpu_use()
    names, uuids = (tuple(gpu[fact] for gpu in visible) for fact in ("name", "uuid"))
    memory = use.memory_bytes // len(names) if use else None
    size = f" of {memory / 2**30:.0f} GiB" if memory else ""
    if versions["cuda_version"] is None:
        found = printable(f"{names[0]}{size}; driver {versions['driver_version']}, but {NO_CUDA}", 160)
        return Gpus(Check(NAME, "cannot", found, f"{needed} ({TO_HAVE_CUDA})"))
    driver = f"driver {versions['driver_version']}, CUDA {versions['cuda_version']}"
    found = printable(f"{', '.join(dict.fromkeys(names))}{size}; {driver}", 160)
    if why := split(visible[0]):
        return Gpus(Check(NAME, "missing", printable(why, 160), needed, "nvidia-smi -L"), names, uuids, memory)
    return Gpus(Check(NAME, "ok", found, needed), names, uuids, memory)


def _no_gpu(needed: str) -> Check:
    """No GPU is told of: because there is none, or because the driver cannot be asked, in which case what to do."""
    try:
        pynvml.nvmlInit()
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        match error.value:
            case pynvml.NVML_ERROR_DRIVER_NOT_LOADED if on_the_bus():
                return Check(
                    NAME, "missing", "the driver's kernel module is not loaded", needed, "sudo modprobe nvidia"
                )
            case pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
                found = "driver and library are of two versions, as after an update without a reboot"
                return Check(NAME, "missing", found, needed, "sudo reboot")
            case pynvml.NVML_ERROR_NO_PERMISSION:
                found = "the driver does not let this user ask it (no permission)"
                return Check(NAME, "missing", found, "a user, or a container, that may open them", "ls -l /dev/nvidia*")
            case pynvml.NVML_ERROR_LIBRARY_NOT_FOUND if on_the_bus():
                found = "one on the bus, but no driver: libnvidia-ml.so.1 is not there"
                return Check(NAME, "cannot", found, f"{needed} (in a container: --gpus all)")
            case pynvml.NVML_ERROR_LIBRARY_NOT_FOUND | pynvml.NVML_ERROR_DRIVER_NOT_LOADED:
                pass  # a machine without a GPU, whose image may well hold the driver's library
            case _:
                return Check(NAME, "cannot", f"the driver answers: {printable(str(error), 80)}", needed)
    found = "one on the bus, but the driver tells of none" if on_the_bus() else "none"
    return Check(NAME, "cannot", found, needed)
