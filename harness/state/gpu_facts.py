"""What the driver tells of each GPU that a start uses, right before it: for the record, and for its marks.

A fact that is not told is None, and ``not_told`` has the driver's reason by the fact's name. Of a part of a GPU (MIG),
what only the whole GPU has (link, clocks, power, temperature, ECC) is asked of the whole GPU.

Has run against the tests' own library only (tests/nvml_stub), not yet on a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pynvml

from harness.engine.detect import DriverError, driver_versions, gpus_of_start, mig_facts, nvml
from harness.record.gpu import reasons_of
from harness.record.plain import printable

_SM, _MEMORY, _GRAPHICS = pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_CLOCK_GRAPHICS
_COMPUTE_MODES = {0: "default", 1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}
_WHY = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: "not supported",
    pynvml.NVML_ERROR_NO_PERMISSION: "no permission",
    pynvml.NVML_ERROR_GPU_IS_LOST: "GPU is lost",
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "driver too old",
    pynvml.NVML_ERROR_NO_DATA: "no data",
}
# How drivers say that they do not know the newer question of memory: no such function, or no such version of it.
_NO_SECOND_VERSION = (
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
)
# Facts of the whole GPU, also where a start uses a part of it.
_OF_WHOLE: dict[str, Callable[[Any], Any]] = {
    "pcie_generation": pynvml.nvmlDeviceGetCurrPcieLinkGeneration,  # lower while the GPU is idle
    "pcie_generation_max": pynvml.nvmlDeviceGetMaxPcieLinkGeneration,  # of this GPU in this machine
    "pcie_width": pynvml.nvmlDeviceGetCurrPcieLinkWidth,
    "pcie_width_max": pynvml.nvmlDeviceGetMaxPcieLinkWidth,
    "sm_clock_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, _SM),
    "sm_clock_max_mhz": lambda gpu: pynvml.nvmlDeviceGetMaxClockInfo(gpu, _SM),
    # Set for graphics and memory alone, as nvidia-smi shows them; the SM's clock follows that of graphics.
    "graphics_clock_application_mhz": lambda gpu: pynvml.nvmlDeviceGetApplicationsClock(gpu, _GRAPHICS),
    "graphics_clock_application_default_mhz": lambda gpu: pynvml.nvmlDeviceGetDefaultApplicationsClock(gpu, _GRAPHICS),
    "memory_clock_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, _MEMORY),
    "memory_clock_max_mhz": lambda gpu: pynvml.nvmlDeviceGetMaxClockInfo(gpu, _MEMORY),
    "memory_clock_application_mhz": lambda gpu: pynvml.nvmlDeviceGetApplicationsClock(gpu, _MEMORY),
    "clock_reasons": lambda gpu: reasons_of(clock_reasons(gpu)),
    "power_w": lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "power_limit_w": lambda gpu: pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,  # the lowest of all that apply
    "power_limit_default_w": lambda gpu: pynvml.nvmlDeviceGetPowerManagementDefaultLimit(gpu) / 1000,
    "temperature_c": lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    "ecc": lambda gpu: bool(pynvml.nvmlDeviceGetEccMode(gpu)[0]),
    "ecc_corrected": lambda gpu: _ecc_errors(gpu, pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
    "ecc_uncorrected": lambda gpu: _ecc_errors(gpu, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
    "persistence_mode": lambda gpu: bool(pynvml.nvmlDeviceGetPersistenceMode(gpu)),
    "mig_mode": lambda gpu: bool(pynvml.nvmlDeviceGetMigMode(gpu)[0]),
}
_OF_PART: dict[str, Callable[[Any], Any]] = {
    "compute_capability": lambda gpu: "{}.{}".format(*pynvml.nvmlDeviceGetCudaComputeCapability(gpu)),
    "memory_bytes": lambda gpu: int(pynvml.nvmlDeviceGetMemoryInfo(gpu).total),
    "memory_used_bytes": lambda gpu: memory_used_bytes(gpu),
    "processes": lambda gpu: len(_pids(gpu)),
}
# Not of a part: its number, and who may use it.
_ONLY_WHOLE: dict[str, Callable[[Any], Any]] = {
    "index": pynvml.nvmlDeviceGetIndex,
    "compute_mode": lambda gpu: _COMPUTE_MODES.get(mode := pynvml.nvmlDeviceGetComputeMode(gpu), f"mode {mode}"),
}


@dataclass
class _Asked:
    """Answers, and why there is none."""

    facts: dict[str, Any] = field(default_factory=dict)
    not_told: dict[str, str] = field(default_factory=dict)

    def ask(self, handle: Any, questions: dict[str, Callable[[Any], Any]]) -> None:
        for name, question in questions.items():
            try:
                self.facts[name] = question(handle)
            except pynvml.NVMLError as error:
                self.facts[name], self.not_told[name] = None, why(error)


def gpu_facts(count: int | None = None) -> list[dict[str, Any]]:
    """Facts of the GPUs that a start uses (``gpus_of_start``), in its order; none without a driver.

    Of each: ``name``, ``uuid``, ``mig`` (of a part: ``parent_uuid``, ``profile``; else None), ``driver_version``,
    ``cuda_version``, what the tables above name, and ``not_told``. ``memory_used_bytes`` and ``processes`` are those of
    others, as nothing of the start runs yet.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU here.
    """
    with nvml() as there:
        if not there:
            return []
        try:
            chosen, versions = gpus_of_start(count), driver_versions()
        except DriverError:
            return []  # whoever asks for the GPUs by name says it; a record has nothing to tell of them
        return [_facts(gpu, versions) for gpu in chosen]


def _facts(gpu: dict[str, str], versions: dict[str, str | None]) -> dict[str, Any]:
    known = {"name": printable(gpu["name"], 100), "uuid": gpu["uuid"]}
    asked = _Asked()
    is_part = gpu["uuid"].startswith("MIG-")
    mig: dict[str, str | None] | None = {"parent_uuid": None, "profile": None} if is_part else None
    try:
        handle = whole = pynvml.nvmlDeviceGetHandleByUUID(gpu["uuid"])
        if mig is not None:
            whole = pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
            mig |= mig_facts(handle)
    except pynvml.NVMLError as error:
        asked.facts = dict.fromkeys((*_ONLY_WHOLE, *_OF_PART, *_OF_WHOLE))
        asked.not_told = dict.fromkeys(asked.facts, why(error))
    else:
        asked.ask(handle, _ONLY_WHOLE if not is_part else {})
        asked.ask(handle, _OF_PART)
        asked.ask(whole, _OF_WHOLE)
    of_whole = {**dict.fromkeys(_ONLY_WHOLE), **asked.facts}
    return {**known, "mig": mig, **versions, **of_whole, "not_told": asked.not_told}


def clock_reasons(handle: Any) -> int:
    """Bits of why the clocks are as they are; drivers before 535 have the question under its older name."""
    try:
        return int(pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    except pynvml.NVMLError_FunctionNotFound:
        return int(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


def memory_used_bytes(handle: Any) -> int:
    """Memory in use without what the driver keeps for itself; with it where the driver does not tell them apart."""
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2).used)
    except pynvml.NVMLError as error:
        if error.value not in _NO_SECOND_VERSION:
            raise
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)


def why(error: pynvml.NVMLError) -> str:
    """The driver's reason in a few words."""
    return _WHY.get(error.value) or printable(str(error), 80)


def _ecc_errors(handle: Any, kind: int) -> int:
    """Since the driver was loaded."""
    return int(pynvml.nvmlDeviceGetTotalEccErrors(handle, kind, pynvml.NVML_VOLATILE_ECC))


def _pids(handle: Any) -> set[int]:
    # By version: without one, the binding's error for an older driver is no NVMLError.
    compute = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    return {process.pid for process in (*compute, *pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3(handle))}
