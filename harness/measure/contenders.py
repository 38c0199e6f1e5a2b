"""Targets of a comparison as servers: which model each serves, and whether it answers at all."""

from dataclasses import dataclass, field

import httpx
import psutil

from harness.engine.process_tree import Tree
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.load_client import Target, run_load
from harness.measure.openai_server import served_model
from harness.record.foreign import without_addresses
from harness.record.load import LoadRow, Sending
from harness.record.load_output import MAX_ERROR, OK, ClientRecord, ClientSummary
from harness.record.plain import printable
from harness.record.private import names_here, without_private
from harness.record.secrets import redacted


@dataclass(frozen=True)
class Contender:
    """A server to be compared. ``kind``: of ``served_engines``, else external."""

    name: str
    base_url: str
    model: str | None = None  # None: the only one that it serves
    key: str | None = field(default=None, repr=False)
    kind: str = "external"
    tree: Tree | None = None  # of a server that was started here

    def target(self, prefix: str) -> Target:
        """For the load client. The model must be known.

        Each request has a connection of its own: llama.cpp's server closes one after a few requests, perhaps while the
        next is on its way, and what is sent twice would be measured twice.
        """
        return Target(
            base_url=self.base_url,
            model=str(self.model),
            prefix=prefix,
            key=self.key,
            reads_text=True,
            keeps_connections=False,
            without_names=self.without_names,
        )

    def without_names(self, said: str) -> str:
        """What was said of it, or by it, as it travels: without its key, hosts, addresses and paths; not cut."""
        bare = redacted(said, [self.key] if self.key else [])
        return str(without_private(without_addresses(bare, httpx.URL(self.base_url).host), names_here()))

    def line(self, said: str) -> str:
        """The same as one line that is not too long."""
        return printable(self.without_names(said), MAX_ERROR)

    def cpu_s(self) -> float | None:
        """CPU seconds of its process tree so far; None: it was not started here, or has ended."""
        if self.tree is None:
            return None
        try:
            root = psutil.Process(self.tree.pid)
            times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
        except psutil.Error:
            return None
        return sum(each.user + each.system + each.children_user + each.children_system for each in times)


def named_model(contender: Contender) -> str:
    """The model to ask it for.

    Raises:
        MeasurementFailed: no answer, or which of its models is meant must be said.
    """
    if contender.model is not None:
        return contender.model
    try:
        how = f"name one: --model-of {contender.name}=MODEL"
        return served_model(contender.base_url, None, how, contender.key)
    except HarnessError as error:
        raise MeasurementFailed(contender.line(str(error))) from None


def send(
    contender: Contender, rows: list[LoadRow], sending: Sending, prefix: str
) -> tuple[list[ClientRecord], ClientSummary]:
    """Send a load to it; what it says of errors travels."""
    return run_load(rows, contender.target(prefix), sending)


def refuse_mute(contender: Contender, row: LoadRow, sending: Sending) -> None:
    """Let it answer one request, which also warms it up. Raises MeasurementFailed: it does not."""
    records, _ = send(contender, [row], sending, f"{contender.name}-warmup")
    if records[0].status != OK:
        raise MeasurementFailed(f"its first request failed: {records[0].error}")
    if not records[0].text:
        raise MeasurementFailed("its first answer holds no text")
