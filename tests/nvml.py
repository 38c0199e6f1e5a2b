"""A driver that is not there: the real binding (pynvml) over a library of this folder's nvml_stub.

In this process: the fixture ``nvml`` (tests/conftest.py), which has no GPU until a test adds some. In a child process:
its ``environment``, which must be there when the child begins. What is said can be changed at any time, also while a
child runs; ``Error(code)`` is NVML's error code instead of an answer.

    nvml.add(gpu(0), gpu(1, name="NVIDIA L40S"))
    nvml.say("0.nvmlDeviceGetEccMode", Error(pynvml.NVML_ERROR_NO_PERMISSION))
    nvml.lose("1")
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from ctypes import CDLL
from pathlib import Path

import pynvml
import pytest

SOURCE = Path(__file__).parent / "nvml_stub" / "nvml_stub.c"
LIBRARY = "libnvidia-ml.so.1"
DRIVER, CUDA = "580.65.06", 13000
Answer = int | str


class Error(int):
    """An NVML error code instead of an answer."""


def build(folder: Path) -> Path:
    """Compile the library into ``folder``, which is returned; skip the test where there is no compiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "g++"))), None)
    if compiler is None:
        pytest.skip("no C compiler")
    language = ["-x", "c"] if not compiler.endswith("g++") else ["-x", "c++", "-fpermissive"]
    command = [compiler, *language, "-shared", "-fPIC", "-O1", "-o", str(folder / LIBRARY), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def uuid_of(index: int) -> str:
    """The UUID of the GPU with this index."""
    return f"GPU-{index}8932f93-0000-4000-8000-00000000000{index}"


def gpu(index: int, name: str = "NVIDIA H200", uuid: str | None = None, memory_gib: int = 141) -> dict[str, Answer]:
    """An idle GPU that tells everything; its device's word is its index."""
    mine, total = uuid or uuid_of(index), memory_gib << 30
    reserved, used = 600 << 20, 4 << 20
    of_device: dict[str, Answer] = {
        "Name": name,
        "UUID": mine,
        "Index": index,
        "CudaComputeCapability": "9 0",
        "CurrPcieLinkGeneration": 5,
        "MaxPcieLinkGeneration": 5,
        "GpuMaxPcieLinkGeneration": 5,
        "CurrPcieLinkWidth": 16,
        "MaxPcieLinkWidth": 16,
        "ClockInfo.1": 345,
        "ClockInfo.2": 3201,
        "MaxClockInfo.1": 1980,
        "MaxClockInfo.2": 3201,
        "ApplicationsClock.0": 1980,
        "ApplicationsClock.2": 3201,
        "DefaultApplicationsClock.0": 1980,
        "DefaultApplicationsClock.2": 3201,
        "PowerManagementLimit": 700_000,
        "PowerManagementDefaultLimit": 700_000,
        "EnforcedPowerLimit": 700_000,
        "PowerUsage": 76_500,
        "Temperature.0": 31,
        "EccMode": "1 1",
        "TotalEccErrors.0.0": 0,
        "TotalEccErrors.1.0": 0,
        "PersistenceMode": 1,
        "ComputeMode": 0,
        "MigMode": "0 0",
        "MemoryInfo": f"{total} {total - reserved - used} {reserved + used}",
        "MemoryInfo_v2": f"{total} {reserved} {total - reserved - used} {used}",
        "UtilizationRates": "0 0",
        "PcieThroughput.0": 0,
        "PcieThroughput.1": 0,
        "CurrentClocksEventReasons": pynvml.nvmlClocksEventReasonGpuIdle,
        "ComputeRunningProcesses_v3": 0,
        "GraphicsRunningProcesses_v3": 0,
    }
    return {f"{index}.nvmlDeviceGet{question}": answer for question, answer in of_device.items()}


def mig(parent: int, number: int, uuid: str, profile: str = "1g.18gb", memory_gib: int = 16) -> dict[str, Answer]:
    """A part of a GPU that was added before; it tells of itself what a MIG device tells."""
    word, total = f"mig{parent}-{number}", memory_gib << 30
    of_device: dict[str, Answer] = {
        "parent": parent,
        "nvmlDeviceGetName": f"NVIDIA H200 MIG {profile}",
        "nvmlDeviceGetUUID": uuid,
        "nvmlDeviceGetCudaComputeCapability": "9 0",
        "nvmlDeviceGetGpuInstanceId": 7 + number,
        "nvmlDeviceGetComputeInstanceId": 0,
        "nvmlDeviceGetMemoryInfo": f"{total} {total - (20 << 20)} {20 << 20}",
        "nvmlDeviceGetMemoryInfo_v2": f"{total} {16 << 20} {total - (20 << 20)} {4 << 20}",
        "nvmlDeviceGetComputeRunningProcesses_v3": 0,
        "nvmlDeviceGetGraphicsRunningProcesses_v3": 0,
    }
    here: dict[str, Answer] = {
        f"{parent}.nvmlDeviceGetMigDeviceHandleByIndex.{number}": word,
        f"{parent}.nvmlDeviceGetMigMode": "1 1",
        f"{parent}.nvmlDeviceGetMaxMigDeviceCount": 7,
        f"{parent}.nvmlDeviceGetUtilizationRates": Error(pynvml.NVML_ERROR_NOT_SUPPORTED),
        f"nvmlDeviceGetHandleByUUID.{uuid}": word,
    }
    return here | {f"{word}.{question}": answer for question, answer in of_device.items()}


class Nvml:
    """What the library says. ``folder`` holds the library, ``file`` is where the answers are written."""

    def __init__(self, folder: Path, file: Path) -> None:
        self._folder, self._file = folder, file
        self._answers: dict[str, Answer] = {
            "nvmlSystemGetDriverVersion": DRIVER,
            "nvmlSystemGetNVMLVersion": "13.580.65.06",
            "nvmlSystemGetCudaDriverVersion_v2": CUDA,
            "nvmlDeviceGetCount_v2": 0,
        }
        self._write()

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a child process that shall find this driver."""
        return {"LD_LIBRARY_PATH": str(self._folder), "NVML_STUB": str(self._file)}

    def add(self, *devices: Mapping[str, Answer]) -> None:
        """GPUs made by ``gpu`` or ``mig``."""
        for device in devices:
            self._answers.update(device)
            for question, answer in device.items():
                word, _, asked = question.partition(".")
                if asked == "nvmlDeviceGetUUID" and word.isdecimal():
                    self._answers[f"nvmlDeviceGetHandleByIndex_v2.{word}"] = word
                    self._answers[f"nvmlDeviceGetHandleByUUID.{answer}"] = word
        known = [name for name in self._answers if name.startswith("nvmlDeviceGetHandleByIndex_v2.")]
        self._answers["nvmlDeviceGetCount_v2"] = len(known)
        self._write()

    def say(self, question: str, answer: Answer | None) -> None:
        """Answer a question from now on so (``0.nvmlDeviceGetTemperature.0``); None: no longer supported."""
        self._answers.pop(question, None)
        if answer is not None:
            self._answers[question] = answer
        self._write()

    def fail(self, code: int) -> None:
        """The driver cannot be reached: NVML_ERROR_DRIVER_NOT_LOADED, NO_PERMISSION, LIB_RM_VERSION_MISMATCH, …"""
        self.say("nvmlInitWithFlags", Error(code))

    def lose(self, word: str) -> None:
        """The device has fallen off the bus."""
        self.say(f"{word}.*", Error(pynvml.NVML_ERROR_GPU_IS_LOST))

    def load(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let pynvml of this process use the library."""
        monkeypatch.setattr(pynvml, "nvmlLib", CDLL(str(self._folder / LIBRARY)))
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        monkeypatch.setenv("NVML_STUB", str(self._file))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def _write(self) -> None:
        lines = (f"{name}={'!' if isinstance(said, Error) else ''}{said}\n" for name, said in self._answers.items())
        new = self._file.with_suffix(".new")  # a child may read at any time
        new.write_text("".join(lines))
        os.replace(new, self._file)


def end_samplers(hangs: threading.Event) -> None:
    """Let a driver that hangs answer, and wait for the threads that were left behind at it."""
    hangs.set()
    for thread in threading.enumerate():
        if thread.name == "gpu sampler":
            thread.join()


def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the driver's library, whatever this one has."""

    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", absent)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
