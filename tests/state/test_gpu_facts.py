"""Facts of the GPUs that a start uses: what is told, and for what is not, the driver's reason."""

import pynvml
import pytest

from harness.record.runcheck import is_gpus
from harness.state.gpu_facts import gpu_facts
from tests.nvml import DRIVER, Error, Nvml, gpu, mig, no_library, uuid_of


def test_a_gpu_that_tells_everything_leaves_no_fact_open(nvml: Nvml) -> None:
    nvml.add(gpu(0))
    (facts,) = gpu_facts()
    assert (facts["name"], facts["uuid"], facts["index"]) == ("NVIDIA H200", uuid_of(0), 0)
    assert (facts["compute_capability"], facts["driver_version"], facts["cuda_version"]) == ("9.0", DRIVER, "13.0")
    assert (facts["pcie_generation"], facts["pcie_width"], facts["pcie_width_max"]) == (5, 16, 16)
    assert (facts["sm_clock_mhz"], facts["sm_clock_max_mhz"]) == (345, 1980)
    assert (facts["power_limit_w"], facts["power_w"], facts["temperature_c"]) == (700.0, 76.5, 31)
    assert (facts["ecc"], facts["ecc_uncorrected"], facts["persistence_mode"]) == (True, 0, True)
    assert (facts["memory_bytes"], facts["memory_used_bytes"], facts["processes"]) == (141 << 30, 4 << 20, 0)
    assert (facts["compute_mode"], facts["clock_reasons"], facts["mig"]) == ("default", ["idle"], None)
    assert facts["not_told"] == {}
    assert [name for name, value in facts.items() if value is None] == ["mig"]
    assert is_gpus([facts])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pynvml.NVML_ERROR_NO_PERMISSION, "no permission"),
        (pynvml.NVML_ERROR_NOT_SUPPORTED, "not supported"),
        (pynvml.NVML_ERROR_UNKNOWN, "Unknown Error"),
        (pynvml.NVML_ERROR_IN_USE, "an error that the binding has no text for"),
    ],
)
def test_a_fact_that_is_not_told_is_absent_with_the_drivers_reason(nvml: Nvml, code: int, reason: str) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetEccMode", Error(code))
    (facts,) = gpu_facts()
    assert (facts["ecc"], facts["not_told"]) == (None, {"ecc": reason})
    assert facts["temperature_c"] == 31


def test_a_gpu_that_is_lost_tells_nothing_and_stops_nothing(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), gpu(1))
    nvml.lose("1")
    assert gpu_facts() == []  # which GPUs there are is not told
    monkeypatch.setattr(
        "harness.state.gpu_facts.gpus_of_start", lambda _: [{"name": "it was here", "uuid": uuid_of(1)}]
    )
    (facts,) = gpu_facts()  # it fell off the bus right after it was named
    assert set(facts["not_told"].values()) == {"GPU is lost"}
    assert facts["memory_bytes"] is None
    assert is_gpus([facts])


def test_of_others_processes_only_their_number_and_memory_are_kept(nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetComputeRunningProcesses_v3", f"2 4242 {1 << 30} 4343 {1 << 30}")
    nvml.say("0.nvmlDeviceGetGraphicsRunningProcesses_v3", "1 4343 5")
    (facts,) = gpu_facts()
    assert facts["processes"] == 2
    assert "4242" not in str(facts)


def test_an_older_driver_is_asked_in_its_own_words(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0))
    asked = pynvml._nvmlGetFunctionPointer

    def older(name: str) -> object:
        if name in ("nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetComputeRunningProcesses_v3"):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        renamed = {"nvmlDeviceGetCurrentClocksThrottleReasons": "nvmlDeviceGetCurrentClocksEventReasons"}
        if name in renamed.values():
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        found: object = asked(renamed.get(name, name))
        return found

    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer", older)
    (facts,) = gpu_facts()
    assert (facts["memory_used_bytes"], facts["clock_reasons"]) == (604 << 20, ["idle"])
    assert facts["not_told"] == {"processes": "driver too old"}


def test_a_part_of_a_gpu_has_its_own_memory_and_the_whole_ones_link_and_clocks(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.add(gpu(0), mig(0, 2, "MIG-a", profile="1g.18gb", memory_gib=16))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a")
    (facts,) = gpu_facts()
    assert facts["mig"] == {"parent_uuid": uuid_of(0), "profile": "1g.18gb"}
    assert (facts["uuid"], facts["memory_bytes"], facts["index"]) == ("MIG-a", 16 << 30, None)
    assert (facts["pcie_width"], facts["power_limit_w"], facts["mig_mode"]) == (16, 700.0, True)
    assert facts["not_told"] == {}


def test_a_part_that_the_driver_cannot_find_has_reasons(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-of-elsewhere")
    (facts,) = gpu_facts()
    assert facts["mig"] == {"parent_uuid": None, "profile": None}
    assert set(facts["not_told"].values()) == {"Not Found"}


def test_gpus_are_in_the_order_in_which_the_start_sees_them(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), gpu(1, name="NVIDIA L40S"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    assert [facts["index"] for facts in gpu_facts()] == [1, 0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_facts() == []


def test_without_a_driver_there_are_no_facts(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_NO_PERMISSION):
        nvml.fail(code)
        assert gpu_facts() == []
    no_library(monkeypatch)
    assert gpu_facts() == []
