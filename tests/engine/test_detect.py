"""Which GPUs there are and which engine fits, with NVML as it answers on other machines."""

from collections.abc import Callable

import pynvml
import pytest

from harness.engine.default_pin import default_pin
from harness.engine.detect import DriverError, gpus
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, load_pin


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[tuple[object, object]]], list[str]]:
    """Make NVML know these (UUID, name) pairs; returns the list of calls it gets."""

    def answer(known: list[tuple[object, object]]) -> list[str]:
        calls: list[str] = []
        monkeypatch.setattr(pynvml, "nvmlInit", lambda: calls.append("init"))
        monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: calls.append("shutdown"))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(known))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: known[index])
        monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda handle: handle[0])
        monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: handle[1])
        return calls

    return answer


@pytest.mark.parametrize("error", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_without_a_driver_there_are_no_gpus_and_the_cpu_engine_fits(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(error)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    assert (gpus(), default_pin()) == ([], DEFAULT_CPU_PIN)


def test_a_driver_may_have_no_gpus(nvml: Callable[..., list[str]]) -> None:
    calls = nvml([])
    assert gpus() == []
    assert calls == ["init", "shutdown"]


def test_gpus_are_listed_in_nvmls_order(nvml: Callable[..., list[str]]) -> None:
    calls = nvml([("GPU-b", "One"), ("GPU-a", "Two")])
    assert gpus() == [{"uuid": "GPU-b", "name": "One"}, {"uuid": "GPU-a", "name": "Two"}]
    assert calls == ["init", "shutdown"]


def test_nvml_is_closed_when_a_gpu_is_lost_meanwhile(
    nvml: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = nvml([("GPU-a", "One")])

    def lost(_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lost)
    with pytest.raises(DriverError, match="GPU 0: the NVIDIA driver answers: GPU is lost"):
        gpus()
    assert calls == ["init", "shutdown"]


def test_a_driver_that_cannot_be_left_has_told_all_the_same(
    nvml: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml([("GPU-a", "One")])

    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)

    monkeypatch.setattr(pynvml, "nvmlShutdown", fail)
    assert gpus() == [{"uuid": "GPU-a", "name": "One"}]


def test_the_default_engines_are_pins_for_the_hardware_they_are_chosen_for() -> None:
    assert load_pin(DEFAULT_CPU_PIN).device == "cpu"
    assert load_pin(DEFAULT_CUDA_PIN).device == "cuda"
