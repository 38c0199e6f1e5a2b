"""A driver that answers with errors, and GPUs that are split: what is said, and that no engine is chosen silently."""

from pathlib import Path

import pynvml
import pytest

from harness.engine import gpu_bus
from harness.engine.default_pin import check_fit, default_pin, note_on_default
from harness.engine.detect import driver_versions, unasked, visible_gpus
from harness.engine.gpu_parts import check_whole, whole_of
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, load_pin
from tests.nvml import DRIVER, Error, Nvml, gpu, mig, no_library, uuid_of

REFUSALS = [pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_UNKNOWN]


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's list of devices, which has no GPU yet."""
    monkeypatch.setattr(gpu_bus, "SYS", tmp_path / "sys")
    return tmp_path / "sys" / "bus" / "pci" / "devices" / "0000:01:00.0"


def plug_in(bus: Path) -> None:
    bus.mkdir(parents=True)
    (bus / "vendor").write_text("0x10de\n")
    (bus / "class").write_text("0x030200\n")


@pytest.mark.parametrize("code", REFUSALS)
def test_a_driver_that_refuses_gives_the_cpu_engine_only_with_its_reason(nvml: Nvml, bus: Path, code: int) -> None:
    nvml.fail(code)
    assert (default_pin(), note_on_default()) == (DEFAULT_CPU_PIN, None)  # no GPU is here, whatever the image holds
    plug_in(bus)
    assert default_pin() == DEFAULT_CPU_PIN
    words = str(pynvml.NVMLError(code))
    assert note_on_default() == (
        f"engine {DEFAULT_CPU_PIN}: the driver of the NVIDIA GPU answers: {words}; see python3 harness doctor"
    )
    with pytest.raises(HarnessError, match=f"found none that can be asked .the driver answers: {words[:12]}"):
        check_fit(load_pin(DEFAULT_CUDA_PIN))


def test_gpus_that_are_hidden_or_have_no_driver_leave_nothing_to_say(
    nvml: Nvml, bus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(bus)
    nvml.fail(pynvml.NVML_ERROR_NO_PERMISSION)
    said = {}
    for value in ("", " ", "-1", "NoDevFiles", "0", "1,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        said[value] = unasked() is not None
    assert said == {"": False, " ": False, "-1": False, "NoDevFiles": False, "0": True, "1,0": True}
    no_library(monkeypatch)
    assert unasked() is None


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND])
def test_a_container_without_libcuda_gives_the_cpu_engine_with_what_to_do(nvml: Nvml, code: int) -> None:
    nvml.add(gpu(0))
    nvml.say("nvmlSystemGetCudaDriverVersion_v2", Error(code))
    assert driver_versions() == {"driver_version": DRIVER, "cuda_version": None}
    assert default_pin() == DEFAULT_CPU_PIN
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in (note_on_default() or "")


def test_of_a_split_gpu_a_part_must_be_chosen(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), gpu(1), mig(0, 0, "MIG-a"), mig(0, 2, "MIG-b"))
    line = r"^GPU 0 is split \(MIG\); choose a part: CUDA_VISIBLE_DEVICES=MIG-a or MIG-b$"
    with pytest.raises(HarnessError, match=line):
        check_fit(load_pin(DEFAULT_CUDA_PIN))
    check_fit(load_pin(DEFAULT_CPU_PIN))
    for chosen in ("MIG-b", "1", "1,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        check_whole(visible_gpus()[0])


def test_a_split_gpu_whose_parts_are_not_listed_says_who_lists_them(nvml: Nvml) -> None:
    nvml.add(gpu(0))
    nvml.say("0.nvmlDeviceGetMigMode", "1 1")
    nvml.say("0.nvmlDeviceGetMaxMigDeviceCount", 7)
    with pytest.raises(HarnessError, match=r"CUDA_VISIBLE_DEVICES=MIG-… .nvidia-smi -L lists them"):
        check_whole(visible_gpus()[0])


def test_a_part_is_of_its_parent_and_a_gpu_of_itself(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.add(gpu(0), gpu(1), mig(0, 0, "MIG-a"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a,1,MIG-of-elsewhere")
    assert [whole_of(each) for each in visible_gpus()] == [uuid_of(0), uuid_of(1), None]
