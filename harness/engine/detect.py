"""Which engine fits this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import pynvml

from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN


@contextmanager
def _nvml() -> Iterator[bool]:
    """NVML, if there is a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def gpus() -> list[dict[str, str]]:
    """``uuid`` and ``name`` of the NVIDIA GPUs that NVML sees; empty without a driver."""
    with _nvml() as there:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())] if there else []
        return [
            {"uuid": str(pynvml.nvmlDeviceGetUUID(handle)), "name": str(pynvml.nvmlDeviceGetName(handle))}
            for handle in handles
        ]


def driver_versions() -> dict[str, str | None]:
    """Version of the NVIDIA driver and the newest CUDA it supports; None without a driver."""
    with _nvml() as there:
        if not there:
            return {"driver_version": None, "cuda_version": None}
        cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()  # 13000 is 13.0
        return {
            "driver_version": str(pynvml.nvmlSystemGetDriverVersion()),
            "cuda_version": f"{cuda // 1000}.{cuda % 1000 // 10}",
        }


def default_pin() -> str:
    """The paper's CUDA pin where there is a GPU, else the embedded CPU pin."""
    return DEFAULT_CUDA_PIN if gpus() else DEFAULT_CPU_PIN
