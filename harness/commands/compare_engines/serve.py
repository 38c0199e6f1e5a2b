"""Engines of a comparison that are started here: their environments, the model they share, and their servers."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.commands.compare_engines.asked import ComparisonAsked
from harness.commands.figure.command import set_up
from harness.engine.environment import Installed, ensure_installed, installed_of
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.patch_set import patches_sha256
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.address import free_port
from harness.measure.contenders import Contender
from harness.measure.served_engines import Serving, Shape, options_of, served
from harness.progress import say
from harness.record.comparison_run import TargetFacts
from harness.spec.pin import DEFAULT_CPU_PIN, Comparison, Pin, comparison_names, load_comparison, load_pin
from harness.workspace import Workspace

_READY_S = 600.0
_LIMIT_S = 6 * 3600.0


@dataclass
class Engines:
    """What is to be started. ``gaps``: kind → why there is no environment."""

    model: ModelFiles | None = None
    installed: dict[str, Installed] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)

    @property
    def model_record(self) -> dict[str, Any] | None:
        """As runs have it."""
        if self.model is None:
            return None
        return self.model.record


@dataclass
class Up:
    """The servers that are up, and what is known of all that should be."""

    contenders: list[Contender] = field(default_factory=list)
    targets: list[TargetFacts] = field(default_factory=list)


def set_up_engines(asked: ComparisonAsked, workspace: Workspace) -> Engines:
    """Environments and the model; an engine that cannot be installed is a gap, and so is what has no model.

    vLLM is installed where it is served, and else only where the model's twin must be made.

    Raises:
        HarnessError: wrong use, or the model's files are damaged.
    """
    found = Engines()
    for kind in asked.serve:
        try:
            if kind == "vllm":
                found.installed[kind] = set_up(load_pin(asked.pin or DEFAULT_CPU_PIN), workspace)
            else:
                engine = installed_of(_build_that(kind), workspace)
                ensure_installed(engine, say)
                found.installed[kind] = engine
        except HarnessError as error:
            found.gaps[kind] = str(error)
            say(f"{kind}: left out: {error}")
    if found.installed:
        try:
            found.model = ensure_model(asked.model, lambda: _maker(found, workspace), workspace.models, announce=say)
        except _NoMakerError as error:
            say(f"{', '.join(found.installed)}: left out: {error}")
            found.gaps |= dict.fromkeys(found.installed, str(error))
            found.installed.clear()
    return found


class _NoMakerError(HarnessError):
    """No engine that makes the twin."""


def _maker(engines: Engines, workspace: Workspace) -> Path:
    """The Python that makes a twin. Raises _NoMakerError: it cannot be installed."""
    if "vllm" in engines.installed:
        return engines.installed["vllm"].python
    try:
        return set_up(load_pin(DEFAULT_CPU_PIN), workspace).python
    except HarnessError as error:
        raise _NoMakerError(f"the model's twin cannot be made: {error}") from None


def _build_that(kind: str) -> Comparison:
    builds = [load_comparison(name) for name in comparison_names()]
    return next(build for build in builds if build.serves == kind)


def threads() -> int:
    """Of each engine: OMP_NUM_THREADS, else every core but one, which front ends and the client share.

    Threads that wait for each other at every layer are slowed most by whoever else wants their cores.
    """
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) > 0 else max(1, len(os.sched_getaffinity(0)) - 1)


def shape_of(asked: ComparisonAsked, engines: Engines, needed: int) -> Shape:
    """How all of them serve. ``needed``: tokens of prompt and answer at most; no more than the model has places."""
    places = None
    if engines.model is not None:
        config = json.loads((engines.model.path / "config.json").read_text(encoding="utf-8"))
        places = config.get("max_position_embeddings")
    return Shape(threads(), max(asked.load.levels), min(needed, places or needed), asked.eager)


def engine_definition(kind: str, engine: Installed, shape: Shape) -> dict[str, Any]:
    """What identifies an engine that is started here."""
    pin = engine.pin
    patches = {"patches_sha256": patches_sha256(pin)} if isinstance(pin, Pin) else {}
    return {
        "kind": kind,
        "build": pin.name,
        "version": pin.version,
        "lock_sha256": pin.lock_sha256,
        "environment": dict(pin.environment),
        "arguments": options_of(kind, shape),
        **patches,
    }


@contextmanager
def all_served(
    asked: ComparisonAsked, engines: Engines, shape: Shape, logs: Path, workspace: Workspace
) -> Iterator[Up]:
    """Start them one after the other; all are up until the block is left. One that does not start is a gap."""
    up = Up()
    with ExitStack() as stack:
        for kind in asked.serve:
            if kind in engines.gaps:
                up.targets.append(TargetFacts(kind, kind, None, None, None, engines.gaps[kind]))
                continue
            _start(kind, engines, shape, logs, workspace, stack, up)
        for each in asked.external:
            up.contenders.append(each)
            up.targets.append(TargetFacts(each.name, each.kind, each.model, None, None, None))
        yield up


def _start(
    kind: str,
    engines: Engines,
    shape: Shape,
    logs: Path,
    workspace: Workspace,
    stack: ExitStack,
    up: Up,
) -> None:
    engine, model = engines.installed[kind], engines.model
    if model is None:
        raise AssertionError("an engine was installed, so the model was made")
    how = Serving(
        model=model,
        name=model.path.name,
        port=free_port(),
        shape=shape,
        ready_s=_READY_S,
        limit_s=_LIMIT_S,
        scratch=logs,
        caches=workspace.caches,
    )
    say(f"starting {kind} ({engine.pin.name}) …")
    facts = engine_definition(kind, engine, shape)
    try:
        server = stack.enter_context(served(kind, engine, how, logs / f"{kind}.log"))
    except HarnessError as error:
        reason = str(error) if isinstance(error, MeasurementFailed) else f"it could not be started: {error}"
        up.targets.append(TargetFacts(kind, kind, how.name, facts, None, reason))
        say(f"{kind}: left out: {reason}")
        return
    say(f"{kind} is ready after {server.ready_s:.1f} s")
    up.contenders.append(Contender(kind, server.url, how.name, kind=kind, tree=server.tree))
    up.targets.append(TargetFacts(kind, kind, how.name, facts, server.ready_s, None))
