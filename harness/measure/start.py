"""What a run starts, and how one knows that it is ready: one class per way to start an engine.

OfflineStart   the study's worker calls ``LLM()``; ready when that returns
ServerStart    ``vllm serve`` at a given address; ready at the first HTTP 200 of /health
StudyServer    the study's ``vllm serve``, at a port of its own
ProgramStart   the user's program that makes an ``LLM``; ready when the tracer in it says that ``LLM()`` returned
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from experiments.cold_start import study
from harness.engine.process_tree import Tree
from harness.errors import HarnessError
from harness.measure.address import Address, free_port
from harness.record.bounded import parse_json, read_bounded
from harness.record.runcheck import is_output

DISARMED = re.compile(rb'"name":"tracer disarmed","begin_ns":(\d{1,19}),')
BLOCK_BYTES = 64 << 20  # a span file has at most so many
RESULT_BYTES = 1 << 20
_PORT = "port"  # file in a start's scratch folder
HELD_UP_S = 1.0  # between two questions to a server; 2 ms are usual


@dataclass(frozen=True)
class Ready:
    """When the engine was ready and when it had answered, ns on CLOCK_MONOTONIC."""

    ready_ns: int
    first_token_ns: int | None = None
    problem: str | None = None  # ready, and yet not in order
    output: dict[str, Any] | None = None  # what the engine answered: equal weights answer alike


class Start(Protocol):
    """A way to start an engine."""

    @property
    def awaited(self) -> str:
        """The sign of readiness, for messages."""

    @property
    def run_in(self) -> Path | None:
        """The folder to run in; None: an empty one (spawned children put it on their import path)."""

    def check(self) -> None:
        """Refuse what cannot be started now. Raises HarnessError."""

    def command(self, scratch: Path) -> list[str]:
        """The command; ``scratch`` is an empty folder for files that it needs."""

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Wait until the running command is ready; None: it ended, or the time was up, before that."""


@dataclass(frozen=True)
class OfflineStart:
    """The study's offline start."""

    python: Path
    model: Path
    parameters: dict[str, Any]
    eager: bool
    awaited = "LLM() to return"
    run_in = None

    def check(self) -> None:
        """Nothing can stand in the way."""

    def command(self, scratch: Path) -> list[str]:
        """Write the request; the worker's command."""
        request = study.request(self.model, self.parameters, self.eager)
        (scratch / "request.json").write_text(json.dumps(request), encoding="utf-8")
        return study.offline_command(self.python, scratch / "request.json", scratch / "result.json")

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Wait for the worker's exit and read its result."""
        tree.wait()
        try:
            result = parse_json(read_bounded(scratch / "result.json", RESULT_BYTES))
            tokens = result["token_ids"]
            answer = result.get("output")
            output = answer if is_output(answer) else None
            ready = Ready(int(result["ready_ns"]), int(result["first_token_ns"]), output=output)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return ready if tokens else Ready(ready.ready_ns, problem="the engine came up but generated no token")


@dataclass(frozen=True)
class ServerStart:
    """A server. With ``prompt`` it is also asked for one token: some broken servers are healthy."""

    arguments: tuple[str, ...]
    address: Address
    run_in: Path | None = None
    prompt: str | None = None

    @property
    def awaited(self) -> str:
        """The health check."""
        return f"/health at {self.address} to answer 200"

    def check(self) -> None:
        """Another server at the address would answer for the one that is measured."""
        if self.address.listens():
            raise HarnessError(
                f"{self.address}: something listens there already and would answer for the server to be measured; "
                f"stop it, or give the command another {'--uds' if self.address.uds else '--port'}"
            )

    def command(self, scratch: Path) -> list[str]:
        """The command as given."""
        return list(self.arguments)

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Ask until the first HTTP 200; an address at which nothing listens yet is refused in 0.1 ms."""
        with self.address.client() as client:
            health = _Health(lambda: self.address.listens() and client.healthy(), tree.exec_ns)
            if not tree.wait(health.ask):
                return None
            ready_ns = time.monotonic_ns()
            if health.problem or self.prompt is None:
                return Ready(ready_ns, problem=health.problem)
            problem = client.ask_for_one_token(self.prompt)
            return Ready(ready_ns, None if problem else time.monotonic_ns(), problem)


@dataclass(frozen=True)
class StudyServer:
    """The study's server. Its port is chosen right before it starts: until its turn, hours may pass."""

    python: Path
    model: Path
    parameters: dict[str, Any]
    eager: bool
    awaited = "/health of the server to answer 200"
    run_in = None

    def check(self) -> None:
        """Nothing can stand in the way."""

    def command(self, scratch: Path) -> list[str]:
        """Choose a port and note it; the server's command."""
        port = free_port()
        (scratch / _PORT).write_text(str(port), encoding="utf-8")
        return study.server_command(self.python, self.model, self.parameters, self.eager, port)

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Ask until the first HTTP 200, then for one token."""
        address = Address(port=int((scratch / _PORT).read_text(encoding="utf-8")))
        return ServerStart((), address, prompt=study.PROMPT).follow(tree, scratch, spans)


class _Health:
    """The questions to a server. Readiness that came while none was asked is not seen in time: it would be too long."""

    def __init__(self, healthy: Callable[[], bool], begin_ns: int) -> None:
        self._healthy = healthy
        self._refused_ns = begin_ns  # the end of the last question
        self.pause_s = 0.0  # between that and the one that was answered

    def ask(self) -> bool:
        """Ask once."""
        asked_ns = time.monotonic_ns()
        if self._healthy():
            self.pause_s = (asked_ns - self._refused_ns) / 1e9
            return True
        self._refused_ns = time.monotonic_ns()
        return False

    @property
    def problem(self) -> str | None:
        """Why the time of the answer is not that of readiness."""
        if self.pause_s <= HELD_UP_S:
            return None
        return f"the harness itself was held up for {self.pause_s:.1f} s, so readiness was not seen in time"


@dataclass(frozen=True)
class ProgramStart:
    """The user's own program."""

    arguments: tuple[str, ...]
    run_in: Path
    awaited = "an LLM() of the command to return (a server: say with --url where it answers)"

    def check(self) -> None:
        """Nothing can stand in the way."""

    def command(self, scratch: Path) -> list[str]:
        """The command as given."""
        return list(self.arguments)

    def follow(self, tree: Tree, scratch: Path, spans: Path) -> Ready | None:
        """Read what main processes write until one says that it disarmed; a short program may end right after it."""
        signs = _Signs(spans)
        tree.wait(lambda: signs.ready_ns() is not None)
        ready_ns = signs.ready_ns()
        return None if ready_ns is None else Ready(ready_ns)


class _Signs:
    """The growing span files of main processes, read for the sign of readiness."""

    def __init__(self, spans: Path) -> None:
        self._spans = spans
        self._read: dict[Path, int] = {}  # bytes looked at, up to the last complete line
        self._found: int | None = None

    def ready_ns(self) -> int | None:
        """When a main process disarmed, of several the first one, as the tracer wrote it; None until then."""
        found = []
        for path in self._spans.glob("main-*.jsonl") if self._found is None else ():
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                complete = file.read(BLOCK_BYTES).rpartition(b"\n")[0]
            self._read[path] = self._read.get(path, 0) + len(complete) + (1 if complete else 0)
            if sign := DISARMED.search(complete):
                found.append(int(sign[1]))
        self._found = min(found, default=self._found)
        return self._found
