"""What the doctor tells of GPUs, their driver, and CUDA_VISIBLE_DEVICES."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doctor import gpu
from harness.doctor.figures import _other_slot
from harness.doctor.needs import Look
from harness.engine.detect import DriverError
from harness.spec.figure import load_figure
from harness.spec.pin import DEFAULT_CUDA_PIN
from harness.state import readings
from harness.workspace import Workspace
from tests.doctor.conftest import Told, set_gpus

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


def test_a_driver_that_is_older_than_the_engines_cuda_leaves_the_cpu_engine(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_gpus(monkeypatch, "NVIDIA V100", cuda="11.4")
    told = ask()
    assert not told.ok
    assert told.fix() == "export HARNESS_ENGINE=vllm-0.32.0-cpu"
    assert ask("vllm-0.32.0-cpu").ok


def test_a_gpu_without_a_driver_that_answers_is_told(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "sys" / "bus" / "pci" / "devices" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    monkeypatch.setattr(readings, "SYS", tmp_path / "sys")
    told = ask()
    assert told.checks["gpu"]["status"] == "cannot"
    assert "no driver" in told.checks["gpu"]["found"]
    assert told.ok


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
