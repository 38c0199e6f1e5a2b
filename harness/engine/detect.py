"""Which engine fits this machine."""

from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN


def gpu_uuids() -> list[str]:
    """UUIDs of the NVIDIA GPUs that NVML sees; empty without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()


def default_pin() -> str:
    """The paper's CUDA pin where there is a GPU, else the embedded CPU pin."""
    return DEFAULT_CUDA_PIN if gpu_uuids() else DEFAULT_CPU_PIN
