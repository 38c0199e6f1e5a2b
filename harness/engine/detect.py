"""Which engine fits this machine."""

from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN


def gpus() -> list[dict[str, str]]:
    """``uuid`` and ``name`` of the NVIDIA GPUs that NVML sees; empty without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            {"uuid": str(pynvml.nvmlDeviceGetUUID(handle)), "name": str(pynvml.nvmlDeviceGetName(handle))}
            for handle in handles
        ]
    finally:
        pynvml.nvmlShutdown()


def default_pin() -> str:
    """The paper's CUDA pin where there is a GPU, else the embedded CPU pin."""
    return DEFAULT_CUDA_PIN if gpus() else DEFAULT_CPU_PIN
