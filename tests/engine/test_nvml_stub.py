"""The stand-in for NVML answers the real binding as a driver does: numbers, structures, errors; children find it."""

import subprocess
import sys

import pynvml
import pytest

from tests.nvml import CUDA, DRIVER, Error, Nvml, gpu, mig, no_library, uuid_of


def test_a_driver_tells_its_gpus_in_order_and_what_each_is(nvml: Nvml) -> None:
    nvml.add(gpu(0), gpu(1, name="NVIDIA L40S"))
    pynvml.nvmlInit()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    assert [pynvml.nvmlDeviceGetName(handle) for handle in handles] == ["NVIDIA H200", "NVIDIA L40S"]
    assert [pynvml.nvmlDeviceGetUUID(handle) for handle in handles] == [uuid_of(0), uuid_of(1)]
    assert pynvml.nvmlDeviceGetCudaComputeCapability(handles[0]) == (9, 0)
    assert pynvml.nvmlDeviceGetMemoryInfo(handles[0], pynvml.nvmlMemory_v2).reserved == 600 << 20
    assert pynvml.nvmlDeviceGetMemoryInfo(handles[0]).total == 141 << 30
    assert (pynvml.nvmlSystemGetDriverVersion(), pynvml.nvmlSystemGetCudaDriverVersion_v2()) == (DRIVER, CUDA)
    pynvml.nvmlShutdown()


def test_processes_are_told_with_what_they_use(nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetComputeRunningProcesses_v3", f"2 11 {1 << 30} 12 5")
    pynvml.nvmlInit()
    found = pynvml.nvmlDeviceGetComputeRunningProcesses(pynvml.nvmlDeviceGetHandleByUUID(uuid_of(0)))
    assert [(each.pid, each.usedGpuMemory) for each in found] == [(11, 1 << 30), (12, 5)]
    pynvml.nvmlShutdown()


def test_a_part_of_a_gpu_knows_its_parent(nvml: Nvml) -> None:
    nvml.add(gpu(0), mig(0, 0, "MIG-a"))
    pynvml.nvmlInit()
    part = pynvml.nvmlDeviceGetHandleByUUID("MIG-a")
    assert pynvml.nvmlDeviceIsMigDeviceHandle(part).value == 1
    assert pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)) == uuid_of(0)
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetClockInfo(part, pynvml.NVML_CLOCK_SM)
    pynvml.nvmlShutdown()


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_GPU_IS_LOST])
def test_one_answer_can_be_an_error_while_others_are_given(nvml: Nvml, code: int) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetEccMode", Error(code))
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    with pytest.raises(pynvml.NVMLError) as refused:
        pynvml.nvmlDeviceGetEccMode(handle)
    assert refused.value.value == code
    assert pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU) == 31
    nvml.lose("0")
    with pytest.raises(pynvml.NVMLError_GpuIsLost):
        pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
    pynvml.nvmlShutdown()


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH])
def test_a_driver_that_cannot_be_reached_fails_at_once(nvml: Nvml, code: int) -> None:
    nvml.fail(code)
    with pytest.raises(pynvml.NVMLError) as refused:
        pynvml.nvmlInit()
    assert refused.value.value == code


def test_a_machine_without_the_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    no_library(monkeypatch)
    with pytest.raises(pynvml.NVMLError_LibraryNotFound):
        pynvml.nvmlInit()


def test_a_child_process_finds_the_same_driver(nvml: Nvml) -> None:
    nvml.add(gpu(0), gpu(1))
    code = "import pynvml; pynvml.nvmlInit(); print(pynvml.nvmlDeviceGetCount())"
    done = subprocess.run([sys.executable, "-c", code], env=nvml.environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("2\n", "")
