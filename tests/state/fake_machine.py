"""A machine of files: /proc and /sys in a folder, with as much in them as a test writes."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.state import readings


class FakeMachine:
    """An idle machine of four cores, of which this process may use the first two; nothing else is known of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root, self._monkeypatch = root, monkeypatch
        self._ticks = {cpu: [0] * 10 for cpu in range(4)}
        (root / "proc").mkdir()
        monkeypatch.setattr(readings, "PROC", root / "proc")
        monkeypatch.setattr(readings, "SYS", root / "sys")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def write(self, path: str, text: str) -> None:
        """``proc/meminfo``, ``sys/devices/…``"""
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def spend(
        self, cpu: int, user: float = 0, guest: float = 0, idle: float = 0, irq: float = 0, steal: float = 0
    ) -> None:
        """A core spends seconds; those of a guest are in user too, as the kernel does it."""
        for field, seconds in {0: user + guest, 3: idle, 6: irq, 7: steal, 8: guest}.items():
            self._ticks[cpu][field] += round(seconds / readings.TICK_S)
        lines = [f"cpu{cpu} {' '.join(map(str, ticks))}" for cpu, ticks in self._ticks.items()]
        self.write("proc/stat", "\n".join(["cpu  7 7 7 7 7 7 7 7 7 7", *lines, "intr 99 0 0", "ctxt 5"]))

    def during_a_sleep(self, happens: Callable[[], object]) -> None:
        """What happens while somebody sleeps, which takes no time."""
        self._monkeypatch.setattr(time, "sleep", lambda _: happens())

    def memory(self, available: int = 64 << 30, swapped: int = 0) -> None:
        """/proc/meminfo in its kB."""
        total = 8 << 30
        numbers = {"MemAvailable": available, "SwapTotal": total, "SwapFree": total - swapped}
        self.write("proc/meminfo", "\n".join(f"{name}:   {size >> 10} kB" for name, size in numbers.items()))
