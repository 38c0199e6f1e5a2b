"""What the doctor tells of GPUs, their driver, and CUDA_VISIBLE_DEVICES."""

from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest

from harness.commands.doctor import run_doctor
from harness.doctor import gpu
from harness.doctor.figures import _other_slot
from harness.doctor.needs import Look
from harness.engine import gpu_bus
from harness.engine.detect import DriverError
from harness.errors import HarnessError
from harness.spec.figure import load_figure
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN
from harness.workspace import Workspace
from tests.doctor.conftest import Told, set_gpus
from tests.nvml import Error, Nvml, mig
from tests.nvml import gpu as device

Ask = Callable[..., Told]


def test_with_a_gpu_the_papers_engine_is_judged_and_its_figures_can_be_had(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpus(monkeypatch, "NVIDIA L40S")
    monkeypatch.setattr("harness.doctor.needs.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**12}))
    told = ask()
    assert told.checks["gpu"]["status"] == "ok"
    assert "NVIDIA L40S of 80 GiB; driver 570.1, CUDA 12.8" in told.checks["gpu"]["found"]
    assert f"engine {DEFAULT_CUDA_PIN}" in told.checks
    assert not [name for name, each in told.figures.items() if each["status"] == "cannot"]
    assert "needs another GPU" in told.figures["10"]["why"]


def test_two_kinds_of_gpu_are_two_nodes(ask: Ask, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, "NVIDIA H100", "NVIDIA L40S")
    look = gpu.look_at_gpus()
    assert look.names == ("NVIDIA H100", "NVIDIA L40S")
    beside = _other_slot(load_figure("10", workspace), Look(workspace, look))
    assert beside is not None
    assert beside.fix == "CUDA_VISIBLE_DEVICES=GPU-1 bash run_figure.sh 10 1"
    assert ask().ok


def test_a_variable_that_names_no_gpu_stops_everything_and_is_printable(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpus(monkeypatch, "NVIDIA L40S")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7\x1b[2J")
    told = ask()
    assert (told.code, told.fix()) == (1, "unset CUDA_VISIBLE_DEVICES")
    assert {each["fix"] for each in told.figures.values()} == {"unset CUDA_VISIBLE_DEVICES"}
    assert "\x1b" not in told.text


def test_hidden_gpus_are_told_and_the_cpu_engine_is_judged(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, "NVIDIA L40S")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    told = ask()
    assert (told.checks["gpu"]["status"], told.checks["gpu"]["fix"]) == ("warn", "unset CUDA_VISIBLE_DEVICES")
    assert told.ok
    assert told.figures["8"]["status"] == "cannot"


def test_a_driver_that_is_older_than_every_cuda_pin_leaves_the_cpu_engine_and_says_why(
    ask: Ask, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpus(monkeypatch, "NVIDIA V100", cuda="11.4", capability="7.0")
    told = ask()
    assert told.ok
    assert told.checks["chosen pin"]["found"].startswith(f"{DEFAULT_CPU_PIN}: no CUDA pin fits")
    papers = told.checks[f"pin {DEFAULT_CUDA_PIN}"]
    assert papers["status"] == "cannot"
    assert papers["found"] == "driver 570.1 runs CUDA up to 11.4, and torch 2.7.1 needs CUDA 12.6 (driver 525 or newer)"
    with pytest.raises(HarnessError, match=f"^engine {DEFAULT_CUDA_PIN} cannot run here: driver 570.1 .*--engine"):
        run_doctor(False, DEFAULT_CUDA_PIN, workspace)


def test_a_pin_that_fits_is_told_link_by_link(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    set_gpus(monkeypatch, "NVIDIA L40S")
    told = ask()
    assert told.checks["chosen pin"]["found"] == f"{DEFAULT_CUDA_PIN}: the paper's, and it fits"
    assert told.checks[f"pin {DEFAULT_CUDA_PIN}"]["found"] == (
        "driver 570.1 → CUDA ≤ 12.8 → torch 2.7.1 (CUDA 12.6) → vLLM 0.10.1.1; kernels for 7.0…9.0, NVIDIA L40S is 8.9"
    )


def test_without_a_gpu_every_cuda_pin_says_so(ask: Ask) -> None:
    told = ask()
    assert told.checks[f"pin {DEFAULT_CUDA_PIN}"]["found"] == "no NVIDIA GPU that a start may use"
    assert told.checks["chosen pin"]["found"] == f"{DEFAULT_CPU_PIN}: no NVIDIA GPU that a start may use"


@pytest.fixture
def on_the_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU on the PCI bus, whatever the driver says."""
    device = tmp_path / "sys" / "bus" / "pci" / "devices" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    monkeypatch.setattr(gpu_bus, "SYS", tmp_path / "sys")


@pytest.mark.usefixtures("on_the_bus")
def test_a_gpu_whose_driver_was_never_installed_is_told(ask: Ask) -> None:
    told = ask()
    assert told.checks["gpu"]["status"] == "cannot"
    assert "no driver: libnvidia-ml.so.1 is not there" in told.checks["gpu"]["found"]
    assert told.ok


@pytest.mark.usefixtures("on_the_bus")
@pytest.mark.parametrize(
    ("code", "status", "found", "fix"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "missing", "kernel module is not loaded", "sudo modprobe nvidia"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "missing", "does not let this user ask it", "ls -l /dev/nvidia*"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "missing", "are of two versions", "sudo reboot"),
        (pynvml.NVML_ERROR_UNKNOWN, "cannot", "the driver answers: Unknown Error", None),
    ],
)
def test_a_driver_that_cannot_be_asked_is_one_line_with_what_to_do_and_the_cpu_engine_is_judged(
    ask: Ask, nvml: Nvml, monkeypatch: pytest.MonkeyPatch, code: int, status: str, found: str, fix: str | None
) -> None:
    nvml.load(monkeypatch)
    nvml.fail(code)
    told = ask()
    check = told.checks["gpu"]
    assert (check["status"], check["fix"]) == (status, fix)
    assert found in check["found"]
    assert "\n" not in check["found"]
    assert told.ok


def test_a_machine_without_a_gpu_whose_image_holds_the_drivers_library_has_none(
    ask: Ask, nvml: Nvml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_bus, "SYS", tmp_path / "sys")
    nvml.load(monkeypatch)
    nvml.fail(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
    assert ask().checks["gpu"]["found"] == "none"


@pytest.mark.usefixtures("on_the_bus")
def test_a_gpu_that_the_driver_does_not_tell_of_is_told(ask: Ask, nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.load(monkeypatch)
    assert ask().checks["gpu"]["found"] == "one on the bus, but the driver tells of none"


def test_pins_are_judged_by_what_the_driver_itself_says(ask: Ask, nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.load(monkeypatch)
    nvml.add(device(0, name="NVIDIA B200"))
    nvml.say("0.nvmlDeviceGetCudaComputeCapability", "10 0")
    found = ask().checks[f"pin {DEFAULT_CUDA_PIN}"]["found"]
    assert found == "torch 2.7.1 has kernels for compute capability 7.0 to 9.0, NVIDIA B200 is 10.0"


def test_a_driver_that_answers_with_an_error_is_no_traceback(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise DriverError("GPU 0: the NVIDIA driver answers: GPU is lost")

    monkeypatch.setattr(gpu, "visible_gpus", lost)
    told = ask()
    assert told.code == 1
    assert "GPU is lost" in told.figures["2"]["why"]


def test_weights_that_do_not_fit_into_the_gpu_are_named(
    ask: Ask, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpus(monkeypatch, "A small GPU", memory_gib=4)
    assert ask().ok  # a twin fits
    monkeypatch.setattr("harness.doctor.models.check_real", lambda *_: None)
    (workspace.models / "llama3-3b").mkdir(parents=True)
    (workspace.models / "llama3-3b" / "config.json").write_text("{}")
    told = ask()
    assert told.figures["2"]["status"] == "cannot"
    assert "llama3-3b takes 6.0 GiB of a GPU, which has 3.6 GiB" in told.figures["2"]["why"]


def test_a_container_that_lacks_the_drivers_cuda_is_one_line_with_what_to_do(
    ask: Ask, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.load(monkeypatch)
    nvml.add(device(0))
    nvml.say("nvmlSystemGetCudaDriverVersion_v2", Error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    told = ask()
    check = told.checks["gpu"]
    assert check["status"] == "cannot"
    assert "but libcuda.so.1, the driver's CUDA, is not here" in check["found"]
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in check["needed"]
    assert told.ok


def test_a_split_gpu_is_told_with_its_parts(nvml: Nvml) -> None:
    nvml.add(device(0), mig(0, 0, "MIG-a"))
    check = gpu.look_at_gpus().check
    assert (check.status, check.fix) == ("missing", "nvidia-smi -L")
    assert check.found == "GPU 0 is split (MIG); choose a part: CUDA_VISIBLE_DEVICES=MIG-a"
