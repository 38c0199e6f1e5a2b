"""A load, sent by ``python3 harness load`` in a process of its own: its work is not the measuring process's."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.engine.guardian import guarded
from harness.errors import MeasurementFailed
from harness.record.load import Sending
from harness.record.plain import printable
from harness.workspace import ROOT

_SHOWN = 200


@dataclass(frozen=True)
class LoadOfServer:
    """What is sent where. ``prefix``: of request ids; ``output`` appears when all requests have ended."""

    url: str
    model: str
    load: Path
    sending: Sending
    prefix: str
    output: Path
    log: Path  # what the client says

    def command(self) -> Sequence[str]:
        """The client's command line."""
        asked = ["--base-url", self.url, "--data", str(self.load), "--model", self.model]
        asked += ["--request-id-prefix", self.prefix, *self.sending.arguments(), "--output-file", str(self.output)]
        return [sys.executable, "-m", "harness", "load", *asked]


def send_load(asked: LoadOfServer, wait: Callable[[Callable[[], bool]], None]) -> None:
    """Send it and wait for the last answer.

    ``wait``: returns when what it is given holds; raises what went wrong with the server, or that it takes too long.

    Raises:
        MeasurementFailed: it could not be sent, or what ``wait`` raises.
    """
    with guarded() as guardian, asked.log.open("ab") as said:
        environment = {**os.environ, **guardian.environment}
        client = subprocess.Popen(
            asked.command(), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            wait(lambda: client.poll() is not None)
        finally:
            client.kill()
            client.wait()
        guardian.dismiss()
    if not asked.output.exists():
        last = asked.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
        raise MeasurementFailed(f"the load could not be sent: {printable(last[-1], _SHOWN)}")
