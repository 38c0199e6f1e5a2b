"""A process that serves, as far as the serving tracer is concerned, and windows over it."""

import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.measure.serving_trace import VARIABLE, Sampling, ServingTracers
from tests.tracer.world import World

TOY = """
    import asyncio, os, pickle, queue, threading, time

    waiting = queue.Queue()

    def ready():
        pass

    def burn(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def outer(seconds):
        burn(seconds)
        burn_unhooked(seconds)
        return "answer"

    def burn_unhooked(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def often():
        pass

    def fails():
        raise KeyError("mine")

    def wait():
        return waiting.get()

    def wait_for(file):
        threading.Thread(target=put_when_there, args=(file,)).start()
        wait()

    def put_when_there(file):
        while not waiting.not_empty._waiters:
            time.sleep(0.001)
        print("waiting", flush=True)
        while not os.path.exists(file):
            time.sleep(0.001)
        waiting.put(1)

    async def coroutine():
        burn_unhooked(0.01)
        await asyncio.sleep(0.05)
        burn_unhooked(0.01)
        return "answer"

    async def yields():
        await asyncio.sleep(0)

    async def generator():
        for number in range(3):
            burn_unhooked(0.01)
            await asyncio.sleep(0)
            yield number

    async def task():
        return [number async for number in generator()]

    def loops():
        pass

    async def main():
        loops()
        return await asyncio.gather(asyncio.create_task(coroutine()), asyncio.create_task(task()))
"""
# It is told what to do line by line, and says "done" to each.
PROGRAM = """
    import asyncio, sys, threading, toy
    toy.ready()
    print("ready", flush=True)
    for line in sys.stdin:
        exec(line)
        print("done", flush=True)
"""
NEVER = Sampling(0.001, 60.0, 0)  # no detail in a short window


class Toy:
    """The program, and its tracer."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process, self.folder = process, folder

    def do(self, line: str) -> None:
        self.begin(line)
        self.finish()

    def begin(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def begin_to_wait(self, file: Path) -> None:
        """Until the file is there; it waits when this returns."""
        self.begin(f"toy.wait_for({str(file)!r})")
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "waiting\n"

    def finish(self) -> None:
        assert self.process.stdout is not None
        said = ""
        while said != "done":
            said = self.process.stdout.readline().strip()
            assert said, self.process.stderr and self.process.stderr.read()

    @contextmanager
    def window(self, name: str, sampling: Sampling = NEVER) -> Iterator[None]:
        with ServingTracers.of(self.folder, {"api": 1}) as tracers, tracers.window(name, sampling):
            yield

    def lines(self) -> list[dict[str, Any]]:
        (path,) = self.folder.glob("serving-api-*.jsonl")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def rows(self, window: str) -> dict[str, list[dict[str, Any]]]:
        """Hook's name → its rows."""
        header, *lines = self.lines()
        names = "hook tid begin end self cpu own parent told".split()
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in lines:
            for row in line.get("spans", ()) if line["window"] == window else ():
                found[header["hooks"][row[0]]["name"]].append(dict(zip(names, row, strict=True)))
        return found


@pytest.fixture
def toy(world: World) -> Iterator[Toy]:
    world.module("toy", TOY)
    world.hooks({"module": "toy", "name": "ready", "phase": "server_start", "disarm": "after"})
    names = ("burn", "outer", "fails", "coroutine", "generator")
    world.serving_hooks(
        *({"module": "toy", "name": name} for name in names),
        {"module": "toy", "name": "often", "detail": True},
        {"module": "toy", "name": "wait", "kind": "wait"},
        {"module": "toy", "name": "loops", "names_tasks": True},
        {"module": "pickle", "name": "loads"},
        tasks={"task": "stream_out"},
    )
    with tempfile.TemporaryDirectory(prefix="serving-") as name:  # short: a socket's path has 107 characters at most
        process = world.popen(PROGRAM, env={VARIABLE: name}, stdin=subprocess.PIPE)
        toy = Toy(process, Path(name))
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        try:
            yield toy
        finally:
            process.stdin.close()
            process.wait(timeout=20)
            process.stdout.close()
            process.stderr.close()
