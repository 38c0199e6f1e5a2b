"""The command that measures something again, from the declarations and from what its slot says it was measured with."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.spec.figure import Figure


@dataclass(frozen=True)
class Rerun:
    """One line to copy. ``what``: of the figure, or of one of its cells."""

    what: str
    command: str
    elsewhere: str | None = None  # what it needs that this machine is not


def of_figure(figure: Figure) -> list[Rerun]:
    """The figure's own commands: one for each of its slots."""
    if len(figure.slots) == 1:
        return [Rerun("all of it", f"bash run_figure.sh {figure.figure}")]
    on = {"gpu": "on the node with the other GPU", "cpu": "on the node with the other CPU"}.get(figure.differ or "")
    optional = None if figure.differ else "on a second machine, if there is one"
    return [
        Rerun(f"slot {slot}", f"bash run_figure.sh {figure.figure} {index}", (on or optional) if index else None)
        for index, slot in enumerate(figure.slots)
    ]


def of_case(figure: Figure, slot: str, case: Mapping[str, Any]) -> Rerun:
    """A new session of one cell of a slot; ``case``: its entry in the manifest, which may come from anywhere."""
    parameters, engine, model = case["parameters"], case["engine"], case["model"]
    words = ["bash", "run_figure.sh", figure.figure]
    at_once = bool(parameters.get("parallel"))
    words += [str(figure.slots.index(slot))] if slot in figure.slots and len(figure.slots) > 1 and not at_once else []
    words += ["--models", _base_model(figure, str(model.get("name") or case["case"]))]
    pin = engine.get("pin")
    if figure.engines == "all":
        words += ["--versions", str(engine.get("version") or pin)]
    elif pin:
        words += ["--engine", str(pin)]
    words += ["--eager"] if parameters.get("eager") is True else []
    words += ["--mode", "serve"] if parameters.get("mode") == "serve" else []
    words += _storage(figure, slot, case)
    words += ["--drop-caches", "all"] if parameters.get("drop_caches") else []
    words += ["--parallel"] if at_once else []
    return Rerun(_cell(figure, case), shlex.join([*words, "--again"]))


def _base_model(figure: Figure, name: str) -> str:
    """The declared model: one that was converted for a load format has a name that begins with its original's."""
    near = [model for model in figure.models if name == model or name.startswith(f"{model}-")]
    return max(near, key=len, default=name)


def _storage(figure: Figure, slot: str, case: Mapping[str, Any]) -> list[str]:
    """The level, where it is not the declared one. A figure whose cases are states measures all of them together."""
    level = (case.get("state") or {}).get("storage") or case["parameters"].get("storage")
    if figure.states or not isinstance(level, str):
        return []
    declared = figure.slot_states.get(slot, figure.state).storage
    return ["--storage", level] if level != declared and not level.startswith("path:") else []


def _cell(figure: Figure, case: Mapping[str, Any]) -> str:
    """Model, and what tells the case from the model's others."""
    parameters = case["parameters"]
    varied = [f"{name}={parameters[name]}" for name in figure.vary if name in parameters]
    state = case.get("state") or {}
    name = next((name for name, each in figure.states.items() if each.declared() == state), None)
    engine = [f"vLLM {case['engine'].get('version')}"] if figure.engines == "all" else []
    more = [*varied, *([f"state {name}"] if name else []), *engine, *(["eager"] if parameters.get("eager") else [])]
    return ", ".join([str(case["model"].get("name") or case["case"]), *more])
