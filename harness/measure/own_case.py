"""A command that somebody typed → a case that can be run: their vLLM, their environment, our caches and our tracer."""

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine.installation import Installation, installation_of, tracer_state
from harness.errors import HarnessError
from harness.measure.address import Address, is_server, serving_address
from harness.measure.one_run import Case
from harness.measure.own_environment import declared, environment_of, find_program, python_of
from harness.measure.own_facts import engine_facts, files_sha256, listing_sha256, model_facts
from harness.measure.preparation import Surroundings
from harness.measure.start import ProgramStart, ServerStart, Start
from harness.record.secrets import redacted_arguments, secret_values
from harness.record.store import case_id
from harness.spec.hooks import HookTable, load_hooks
from harness.spec.pin import load_pin
from harness.spec.state import Content, StartState


@dataclass(frozen=True)
class Wanted:
    """What the command line says besides the command."""

    environment: Path | None = None  # a virtual environment
    python: Path | None = None
    uncached: bool = False
    name: str | None = None
    url: str | None = None
    timeout_s: float = 1800.0
    quiet_wait_s: float = 0.0


def own_case(command: Sequence[str], wanted: Wanted, address: Address | None) -> Case:
    """The case that ``command`` is. ``address``: where the server answers, if the command does not say.

    Raises:
        HarnessError: no such program, no vllm beside it, or no tracer in that vllm: says what to type.
    """
    python = python_of(command, wanted.environment, wanted.python)
    environment = environment_of(python, wanted.environment, on_path=bool(wanted.environment or wanted.python))
    arguments = (str(find_program(command[0], environment["PATH"])), *command[1:])
    installation = installation_of(python)
    table = _required_tracer(installation)
    secrets = secret_values(arguments, environment)
    start, mode = _start(arguments, address)
    recorded = declared(environment, secrets)
    facts = engine_facts(installation)
    model = model_facts(arguments)
    folder = model.pop("folder")
    state = _state(wanted.uncached)
    definition: dict[str, Any] = {
        "study": "cold_start",
        "model": model["name"],
        "model_files": listing_sha256(folder),
        "engine": facts,
        "environment": recorded,
        "command": redacted_arguments(command),
        "files_sha256": files_sha256(command),
        "folder": hashlib.sha256(str(Path.cwd()).encode()).hexdigest()[:12],  # relative paths depend on it
        "parameters": {},
        "eager": any(argument.replace("_", "-") == "--enforce-eager" for argument in command),
        "mode": mode,
        "state": state.declared(),
    }
    readable = wanted.name or f"{model['name']}_vllm-{installation.version}_{mode}"
    return Case(
        name=case_id(_as_name(readable), definition),
        label=_as_name(readable),
        definition=definition,
        engine_facts=facts,
        model_facts=model,
        start=start,
        environment=environment,
        declared=recorded,
        timeout_s=wanted.timeout_s,
        state=state,
        around=Surroundings(folder, (), quiet_wait_s=wanted.quiet_wait_s),
        untimed_hooks=table.untimed,
        secrets=secrets,
    )


def split_command(text: str) -> list[str]:
    """The words of a command given as one argument. Raises HarnessError if it has none or quotes are open."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise HarnessError(f"--against: {error}") from None  # without the text, which may hold an API key
    if not words:
        raise HarnessError("--against: the command is empty")
    return words


def _state(uncached: bool) -> StartState:
    """The user's files are looked at, not touched; whether this engine's caches hit is for the measurement to tell."""
    content: Content = "empty" if uncached else "keep"
    return StartState(storage="as found", libraries="as found", compile_cache=content, model_info=content)


def _required_tracer(installation: Installation) -> HookTable:
    """The hook table of the tracer that is installed there. Raises HarnessError: there is none, or not all of it."""
    state, tracer, place = tracer_state(installation), installation.tracer, installation.place
    if state == "applied" and tracer is not None:
        return load_hooks(load_pin(tracer.pin).hooks)
    mode = f"--pin {tracer.pin}" if tracer is not None and tracer.mode == "pinned" else "--hooks-only"
    command = f"python3 apply_patches.py {mode} {place.option}"
    what = {"absent": "no tracer", "outdated": "an outdated tracer", "damaged": "a damaged tracer"}[state]
    raise HarnessError(
        f"{place.vllm_dir}: this vllm {installation.version} has {what}; "
        f"`{command}` installs it (--revert takes it out)"
    )


def _start(arguments: tuple[str, ...], address: Address | None) -> tuple[Start, str]:
    if "--headless" in arguments:
        raise HarnessError("--headless: such a server answers no request, so nobody sees it ready; measure the head")
    if address is None and not is_server(arguments):
        return ProgramStart(arguments, run_in=Path.cwd()), "offline"
    return ServerStart(arguments, address or serving_address(arguments), run_in=Path.cwd()), "serve"


def _as_name(text: str) -> str:
    """``text`` as a folder's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:100] or "start"
