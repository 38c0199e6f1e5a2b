"""The GPUs that a start may use, and why there is none."""

import os
import re
from dataclasses import dataclass

from harness.doctor.check import Check
from harness.engine.detect import DriverError, driver_versions, gpus, visible_gpus
from harness.errors import HarnessError
from harness.record.plain import printable
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, load_pin
from harness.state import readings

NAME = "gpu"
_NVIDIA = "0x10de"  # PCI's number of the vendor
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
        visible, known = visible_gpus(), gpus()
    except DriverError as error:  # a GPU has fallen off the bus, say
        return Gpus(Check(NAME, "cannot", printable(str(error), 160), needed), broken=True)
    except HarnessError as error:
        return Gpus(Check(NAME, "missing", printable(str(error), 160), needed, f"unset {_VISIBLE}"), broken=True)
    if not visible and known:
        found = f"{len(known)} hidden by {_VISIBLE}={printable(os.environ.get(_VISIBLE, ''), 40)}"
        return Gpus(Check(NAME, "warn", found, needed, f"unset {_VISIBLE}"))
    if not visible:
        found = "one on the bus, but no driver that answers" if _on_the_bus() else "none"
        return Gpus(Check(NAME, "cannot", found, needed))
    versions, use = driver_versions(), readings.gpu_use()
    names, uuids = (tuple(gpu[fact] for gpu in visible) for fact in ("name", "uuid"))
    memory = use.memory_bytes // len(names) if use else None
    size = f" of {memory / 2**30:.0f} GiB" if memory else ""
    driver = f"driver {versions['driver_version']}, CUDA {versions['cuda_version']}"
    found = printable(f"{', '.join(dict.fromkeys(names))}{size}; {driver}", 160)
    wanted = _cuda_of_the_lock()
    if _major(versions["cuda_version"]) < wanted:
        fix = f"export HARNESS_ENGINE={DEFAULT_CPU_PIN}"  # the machine's administrator may have a newer driver
        return Gpus(
            Check(NAME, "missing", found, f"a driver for CUDA {wanted}, or the CPU engine", fix), names, uuids, memory
        )
    return Gpus(Check(NAME, "ok", found, needed), names, uuids, memory)


def _on_the_bus() -> bool:
    for vendor in readings.SYS.glob("bus/pci/devices/*/vendor"):
        try:
            if vendor.read_text().strip() == _NVIDIA and vendor.with_name("class").read_text().startswith("0x03"):
                return True
        except OSError:
            continue
    return False


def _cuda_of_the_lock() -> int:
    """The CUDA that the paper's engine brings; any driver of this major version or a later one can run it."""
    found = re.search(
        r"^nvidia-cuda-runtime-cu(\d+)==", load_pin(DEFAULT_CUDA_PIN).lock.read_text("utf-8"), re.MULTILINE
    )
    return int(found[1]) if found else 0


def _major(version: str | None) -> int:
    return int((version or "0").partition(".")[0])
