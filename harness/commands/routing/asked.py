"""What was typed of the routing figure, checked: which strategies, on which deployment, under which load."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.prefix_routing.study import Case
from harness.commands.figure.studies import StudyCall
from harness.commands.figure.typed_fields import SHOWN, put_field, typed_fields, validated
from harness.commands.sharing.workloads import mooncake_trace
from harness.engine.detect import visible_gpus
from harness.errors import HarnessError
from harness.record.plain import is_name, printable
from harness.record.routing_tables import EXACT
from harness.spec.models import find_model
from harness.spec.pin import Pin, load_pin, serving_names
from harness.spec.routers import Routers
from harness.spec.routing import RoutingFigure, Setting, load_routing
from harness.traces.rows import MooncakeRow, read_trace
from harness.workspace import Workspace

DEFAULT_LABEL, SMOKE_LABEL = "default", "smoke"
# A Ray of ours counts so many (worker_deploy): one for each replica beside what its bundle has, one for the ingress.
RAY_CPUS, _REPLICA_CPUS, _INGRESS_CPUS = 64, 1, 1


@dataclass(frozen=True)
class Asked:
    """Part of the figure. ``data``: somebody's dialogues; ``trace``: Mooncake's; ``address``: of a Ray that runs."""

    figure: RoutingFigure
    pin: Pin
    setting: Setting
    cases: tuple[Case, ...]
    label: str
    port: int
    address: str | None
    data: Path | None
    trace: Path | None
    gpus: tuple[str, ...]  # names; empty: replicas run on the CPU


def asked_of(call: StudyCall, workspace: Workspace) -> Asked:
    """What the command line asks for.

    Raises:
        HarnessError: an unknown strategy, model, engine or field, a value or a combination that cannot be, several
            strategies to be only served, or more replicas than there are GPUs or Ray counts CPUs for.
    """
    figure = load_routing(call.figure, workspace)
    gpus = tuple(gpu["name"] for gpu in visible_gpus())
    pin = _pin(call.engine, figure, bool(gpus))
    typed = typed_fields(call.overrides)
    setting = _setting(figure, pin, call, typed)
    if call.data is not None and not call.data.is_file():
        raise HarnessError(f"{call.data}: no such file; name dialogues as ShareGPT's JSON or JSONL with --data")
    label = call.label or (SMOKE_LABEL if call.smoke else DEFAULT_LABEL)
    if not is_name(label, SHOWN) or "," in label:
        raise HarnessError(f"--label {printable(label, SHOWN)}: 1 to {SHOWN} printable characters without a comma")
    if pin.device == "cuda":
        _check_gpus(setting, gpus)
    cases = tuple(_cases(figure, setting, call, typed))
    if call.serve_only and len(cases) != 1:
        raise HarnessError(f"--serve-only deploys one strategy, these are {len(cases)}; name one: --strategies NAME")
    address = os.environ.get("RAY_ADDRESS") or None
    if address is None:
        _check_cpus(setting)
    return Asked(
        figure,
        pin,
        setting,
        cases,
        label,
        call.port or figure.port,
        address,
        call.data,
        _trace(call, workspace),
        gpus if pin.device == "cuda" else (),
    )


def _pin(typed: str | None, figure: RoutingFigure, has_gpu: bool) -> Pin:
    pin = load_pin(typed or figure.engines["cuda" if has_gpu else "cpu"])
    if pin.name not in serving_names():
        raise HarnessError(f"engine {pin.name} has no Ray; serving engines: {', '.join(serving_names())}")
    return pin


def _trace(call: StudyCall, workspace: Workspace) -> Path | None:
    trace = mooncake_trace(call.trace, workspace)
    if trace is not None and not isinstance(next(read_trace(trace))[1], MooncakeRow):
        raise HarnessError(f"{trace}: a trace of recorded tokens, not of Mooncake's hash_ids; --data takes dialogues")
    return trace


def _setting(figure: RoutingFigure, pin: Pin, call: StudyCall, typed: Mapping[str, Any]) -> Setting:
    setting = figure.setting(pin.device).model_dump()
    if call.smoke:
        setting["repeats"] = figure.smoke.repeats
        setting["load"]["num_prompts"] = figure.smoke.num_prompts
    if len(call.models) > 1:
        raise HarnessError("--models takes one model for this figure; give each a call and a --label of its own")
    for model in call.models:
        find_model(model)
        setting["model"] = model
    setting |= {"replicas": call.replicas} if call.replicas else {}
    setting |= {"repeats": call.iterations} if call.iterations else {}
    for name, value in typed.items():
        if not name.startswith("strategies."):
            put_field(setting, name, value)
    found = validated(Setting, setting)
    find_model(found.model)
    return found


def _cases(figure: RoutingFigure, setting: Setting, call: StudyCall, typed: Mapping[str, Any]) -> Sequence[Case]:
    parameters = figure.strategies
    for name, value in typed.items():
        if name.startswith("strategies."):
            _put_parameter(parameters, name, value)
    known = validated(Routers, parameters, "strategies.").parameters()
    chosen = call.strategies or (figure.smoke.strategies if call.smoke else tuple(known))
    if unknown := [name for name in chosen if name not in known]:
        raise HarnessError(f"--strategies {printable(unknown[0], SHOWN)}: it is one of {', '.join(known)}")
    if EXACT in chosen and setting.load.chat:
        what = f"strategy {EXACT} routes by the tokens of a completion's prompt, and a chat's depend on the model"
        raise HarnessError(f"{what}; leave {EXACT} out with --strategies, or load.chat=true")
    return [Case(name, known[name], setting) for name in known if name in chosen]


def _put_parameter(strategies: Mapping[Any, dict[str, Any]], name: str, value: Any) -> None:
    parts = name.split(".")
    if len(parts) != 3 or parts[1] not in strategies or parts[2] not in strategies[parts[1]]:
        known = [f"strategies.{each}.{key}" for each, parameters in strategies.items() for key in parameters]
        raise HarnessError(f"--set {printable(name, SHOWN)}: no such parameter; there are {', '.join(known)}")
    strategies[parts[1]][parts[2]] = value


def _check_gpus(setting: Setting, gpus: Sequence[str]) -> None:
    needed = setting.replicas * setting.bundle.get("GPU", 0)
    if needed > len(gpus):
        what = f"{setting.replicas} replicas need {needed:g} GPUs, {len(gpus)} are visible"
        raise HarnessError(f"{what}; give --replicas {len(gpus)}, or a GPU engine where there are more")


def _check_cpus(setting: Setting) -> None:
    """Raise HarnessError if replicas would wait forever for CPUs that a Ray of ours does not count."""
    each = setting.bundle.get("CPU", 0) + _REPLICA_CPUS
    most = int((RAY_CPUS - _INGRESS_CPUS) / each)
    if setting.replicas > most:
        what = f"{setting.replicas} replicas of {each:g} CPUs each are more than the {RAY_CPUS} that Ray is told of"
        fewer = f"--replicas {most} or fewer" if most else "a smaller bundle.CPU"
        raise HarnessError(f"{what}; give {fewer}, or the RAY_ADDRESS of a larger Ray")
