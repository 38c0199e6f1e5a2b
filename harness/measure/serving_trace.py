"""The tracers of a serving engine, told when a window begins and ends (patches/tracer/…/_serving.py)."""

import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from harness.analyse.stages import API
from harness.errors import MeasurementFailed
from harness.record.plain import printable

VARIABLE = "COLDSTART_TRACE_SERVING"  # of an engine that is to be traced so: a folder for sockets and rows
_ANSWER_S = 120.0  # writing a window's rows takes a few seconds
_SHOWN = 200


@dataclass(frozen=True)
class Sampling:
    """When rows of every token are made, which cost most: so long, once in a period, at a random time in it."""

    detail_s: float
    period_s: float
    seed: int


class _Process:
    """One process of the engine, by its socket ``<role>-<pid>.sock``."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.role = path.stem.partition("-")[0]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWER_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise MeasurementFailed(f"the tracer of {self.name} does not answer ({error.strerror})") from None
        self._answers = self._socket.makefile("rb")

    def ask(self, command: str) -> dict[str, Any]:
        """Raises MeasurementFailed: the process is gone, or could not do it."""
        try:
            self._socket.sendall(command.encode() + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise MeasurementFailed(f"the tracer of {self.name} is gone ({error})") from None
        if not line:
            raise MeasurementFailed(f"the tracer of {self.name} is gone: its process ended")
        answer: dict[str, Any] = json.loads(line)
        if not answer.get("ok"):
            what = printable(str(answer.get("error")), _SHOWN)
            raise MeasurementFailed(f"the tracer of {self.name} failed at '{command}': {what}")
        return answer

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


class ServingTracers:
    """The tracers of all processes of one engine, while it serves."""

    def __init__(self, processes: list[_Process]) -> None:
        self._processes = processes

    @classmethod
    @contextmanager
    def of(cls, folder: Path, roles: Mapping[str, int]) -> Iterator[Self]:
        """Those that listen in ``folder``; the engine is idle now, so that what a call costs can be measured.

        ``roles``: how many processes of each are traced.

        Raises:
            MeasurementFailed: other processes than these listen, or a function that is to be traced is not there.
        """
        with ExitStack() as stack:
            processes = []
            for path in sorted(folder.glob("*.sock")):
                process = _Process(path)
                stack.callback(process.close)
                processes.append(process)
            found = {role: sum(process.role == role for process in processes) for role in roles}
            if found != dict(roles):
                raise MeasurementFailed(f"tracers of {found} listen, of {dict(roles)} were expected")
            for process in processes:
                if failed := process.ask("calibrate")["failed"]:
                    raise MeasurementFailed(f"{process.name}: hooks cannot be set: {printable(failed[0], _SHOWN)}")
            yield cls(processes)

    @contextmanager
    def window(self, name: str, sampling: Sampling) -> Iterator[None]:
        """Rows are made while the block runs, and written when it is left.

        Raises:
            MeasurementFailed: a process is gone.
        """
        for process in self._processes:
            process.ask(f"begin {name}")
        sampler = _Sampler([each for each in self._processes if each.role == API], sampling)
        sampler.start()
        try:
            yield
        finally:
            sampler.stop()
        for process in self._processes:
            process.ask("end")
        if sampler.problem is not None:
            raise sampler.problem


class _Sampler(threading.Thread):
    """Turns detail on and off."""

    def __init__(self, processes: list[_Process], sampling: Sampling) -> None:
        super().__init__(daemon=True)
        self._processes, self._sampling = processes, sampling
        self._chance = random.Random(f"{sampling.seed} detail")
        self._over = threading.Event()
        self.problem: MeasurementFailed | None = None

    def run(self) -> None:
        """Until it is stopped; detail is off then."""
        sampling, period = self._sampling, time.monotonic()
        try:
            while True:
                begin = period + self._chance.uniform(0, sampling.period_s - sampling.detail_s)
                if self._over.wait(max(0.0, begin - time.monotonic())):
                    return
                self._ask("detail on")
                over = self._over.wait(sampling.detail_s)
                self._ask("detail off")
                if over:
                    return
                period += sampling.period_s
        except MeasurementFailed as error:
            self.problem = error

    def _ask(self, command: str) -> None:
        for process in self._processes:
            process.ask(command)

    def stop(self) -> None:
        """Returns when it has stopped."""
        self._over.set()
        self.join()
