"""What must hold of a run.json's values before anything in them is believed: types, ranges, and that they agree."""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from types import UnionType
from typing import Any, get_args, get_origin

from harness.record.plain import is_name, printable

STATUSES = ("ok", "failed", "timeout", "killed")
KINDS = ("warmup", "measured")

MAX_SECONDS = 1e9  # thirty years
_ROUNDING_S = 1e-6
MAX_MARKS, MAX_MARK = 32, 300  # of a run, and characters of one
MAX_GPUS = 64
_MAX_GRAPH = 1 << 40
_MAX_TOKENS, _MAX_TOKEN = 1000, 1 << 32

# pause_s is a difference of wall clocks, which may be set back; a log's quantity may be the difference of two others.
_DURATIONS = ("ready_s", "first_token_s", "wall_s", "unattributed_s", "phases", "phases_by_process", "import_packages")
_NAMES = ("run_id", "study", "round", "started_at", "failed_in", "failed_process")
_NAMED = ("phases", "phases_by_process", "import_packages", "groups", "log_quantities", "resources", "certificate")
# Keys of free-form objects that readers rely on where they are there.
_CASE = {"model": str, "parameters": dict, "eager": bool}


def problem(document: Mapping[str, Any], types: Mapping[str, Any]) -> str | None:
    """What is wrong with a run of the current schema, in one line; None if nothing is.

    ``types`` are the fields' annotations; ``document`` has exactly these keys.
    """
    for name, annotation in types.items():
        value = document[name]
        if not fits(value, annotation) or not _is_known(name, value):
            return f"{name} has a value that cannot be (got {json.dumps(value)[:80]})"
    return _disagreement(document)


def fits(value: Any, annotation: Any) -> bool:
    """Whether a JSON value has the type that a field declares, all the way down."""
    if annotation is Any:
        return True
    if isinstance(annotation, UnionType):
        return any(fits(value, option) for option in get_args(annotation))
    match get_origin(annotation) or annotation, get_args(annotation):
        case kind, (_, inner) if kind is dict:
            return isinstance(value, dict) and all(fits(item, inner) for item in value.values())
        case kind, (inner,) if kind is list:
            return isinstance(value, list) and all(fits(item, inner) for item in value)
        case kind, _ if kind in (int, float):
            return isinstance(value, int | kind) and not isinstance(value, bool)
        case kind, _:
            return value is None if kind is type(None) else isinstance(value, kind)


def _is_known(name: str, value: Any) -> bool:
    """Whether a value of the right type is one that can be."""
    if value is None:
        return True
    if name in _DURATIONS and not all(0 <= seconds <= MAX_SECONDS for seconds in _numbers(value)):
        return False
    if name in _NAMED and not all(is_name(key) for key in value):
        return False
    if name in _NAMES and not is_name(value):
        return False
    match name:
        case "status":
            return value in STATUSES
        case "kind":
            return value in KINDS
        case "session":
            return re.fullmatch(r"s[1-9][0-9]{0,8}", value) is not None
        case "run":
            return re.fullmatch(r"(warmup-)?(0|[1-9][0-9]{0,8})", value) is not None
        case "started_at":
            return _is_instant(value)
        case "certificate":
            return all(map(_is_certificate, value.values()))
        case "case":
            return all(isinstance(value[key], kind) for key, kind in _CASE.items() if key in value)
        case "graph":
            return is_graph(value)
        case "output":
            return is_output(value)
        case "noise":
            return is_marks(value.get("marks", []))
        case "gpus":
            return is_gpus(value)
        case "window":
            return set(value) == {"pid", "exec_ns", "ready_ns"} and 0 <= value["exec_ns"] < value["ready_ns"]
    return True


def is_marks(value: Any) -> bool:
    """Whether it is a list of a few short printable lines."""
    few = isinstance(value, list) and len(value) <= MAX_MARKS
    return few and all(isinstance(line, str) and is_name(line, MAX_MARK) for line in value)


def is_gpus(value: Any) -> bool:
    """Whether it is facts of a few GPUs, each with a name, a UUID and reasons for what was not told."""
    if not isinstance(value, list) or len(value) > MAX_GPUS or not all(isinstance(gpu, dict) for gpu in value):
        return False
    return all(
        all(isinstance(gpu.get(key), str) and is_name(gpu[key]) for key in ("name", "uuid"))
        and isinstance(gpu.get("not_told"), dict)
        and all(isinstance(text, str) and is_name(text) for said in gpu["not_told"].items() for text in said)
        for gpu in value
    )


def is_graph(value: Any) -> bool:
    """Whether it is the size of a traced graph: nodes, and bytes of its code."""
    if not isinstance(value, dict) or set(value) != {"nodes", "code_bytes"}:
        return False
    return all(type(number) is int and 0 < number <= _MAX_GRAPH for number in value.values())


def is_output(value: Any) -> bool:
    """Whether it is an engine's answer: at least one token, each by its number."""
    if not isinstance(value, dict) or set(value) != {"token_ids"} or not isinstance(value["token_ids"], list):
        return False
    tokens = value["token_ids"]
    return 0 < len(tokens) <= _MAX_TOKENS and all(type(token) is int and 0 <= token < _MAX_TOKEN for token in tokens)


def _is_certificate(part: Any) -> bool:
    """A part of a certificate says whether it holds, and if not, why."""
    if not isinstance(part, dict) or not isinstance(part.get("holds"), bool):
        return False
    reason = part.get("reason")
    return isinstance(reason, str) or (reason is None and part["holds"])


def _disagreement(document: Mapping[str, Any]) -> str | None:
    """Which values contradict each other."""
    session, run, kind = document["session"], document["run"], document["kind"]
    if document["run_id"] != f"{session}/{run}":
        return f"run_id is {document['run_id']}, but session and run are {session} and {run}"
    if run.startswith("warmup-") != (kind == "warmup"):
        return f"run {run} is of kind {kind}"
    ready_s, phases, window = document["ready_s"], document["phases"], document["window"]
    if ready_s is None and document["status"] == "ok":
        return "status is ok, but ready_s is null"
    if ready_s is None:
        results = [name for name in ("window", "phases", "phases_by_process") if document[name]]
        return f"{results[0]} is there, but ready_s is null" if results else None
    if phases and not _same(math.fsum(phases.values()), ready_s):
        return f"phases sum to {math.fsum(phases.values()):.6f} s, but ready_s is {ready_s}"
    if window and not _same((window["ready_ns"] - window["exec_ns"]) / 1e9, ready_s):
        return f"window is of {(window['ready_ns'] - window['exec_ns']) / 1e9} s, but ready_s is {ready_s}"
    return _disagreement_by_process(phases, document["phases_by_process"])


def _disagreement_by_process(phases: dict[str, float], by_process: dict[str, dict[str, float]]) -> str | None:
    """Which leaf is not the sum of what the processes spent in it, on either side."""
    leaves = {leaf for spent in by_process.values() for leaf in spent}
    for leaf in (*phases, *sorted(leaves.difference(phases))) if by_process else ():
        spent_s = math.fsum(spent.get(leaf, 0.0) for spent in by_process.values())
        if leaf not in phases or not _same(spent_s, phases[leaf]):
            stated = phases.get(leaf, "none")
            return f"phases_by_process has {spent_s:.6f} s of {printable(leaf, 80)}, but phases {stated}"
    return None


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    return [value]


def _same(one_s: float, other_s: float) -> bool:
    return abs(one_s - other_s) <= _ROUNDING_S


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        return False
