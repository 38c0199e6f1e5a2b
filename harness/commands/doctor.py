"""``python3 harness doctor``: what this machine has, what each figure needs, and the one command for each lack."""

import json

from harness.commands.figure.cases import engines_and_models
from harness.doctor.check import Check, FigureCheck
from harness.doctor.figures import figure_checks, missing_starts, stopped_figures, wanted_figures
from harness.doctor.gpu import look_at_gpus
from harness.doctor.machine import machine_checks
from harness.doctor.needs import Look
from harness.doctor.pins import pin_checks
from harness.doctor.place import place_checks
from harness.doctor.stock import stock_checks
from harness.doctor.tools import tool_checks
from harness.door import json_errors
from harness.engine.default_pin import Choice, choice, this_host
from harness.show.doctor import print_checks
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

DEFAULT_FIGURE = "2"


def run_doctor(as_json: bool, pin_name: str | None, workspace: Workspace) -> int:
    """Look and print; returns the exit code: 0 if the default figure can be had here by its command, else 1.

    ``pin_name``: the engine to measure with; None: this machine's.

    Raises:
        HarnessError: an unknown engine, or one that needs a GPU; a declaration of the checkout is damaged.
    """
    with json_errors(as_json):
        checks, figures = examine(pin_name, workspace)
    default = next(each for each in figures if each.figure == DEFAULT_FIGURE)
    print_checks(checks, figures, default, stderr=as_json)
    if as_json:
        document = {"checks": [each.document() for each in checks], "figures": [each.document() for each in figures]}
        print(json.dumps({"ok": default.ready, **document}))
    return 0 if default.ready else 1


def examine(pin_name: str | None, workspace: Workspace) -> tuple[list[Check], list[FigureCheck]]:
    """Everything that was looked at, and each figure's verdict."""
    gpus = look_at_gpus()
    look = Look(workspace, gpus)
    if gpus.broken:
        basis = [*tool_checks(load_pin(pin_name or DEFAULT_CPU_PIN)), *place_checks(workspace)]
        return [*basis, gpus.check], stopped_figures(gpus.check, look)
    host = this_host()
    chosen = Choice(pin_name, "named with --engine") if pin_name else choice(host)
    pin = load_pin(chosen.pin)
    basis = [*tool_checks(pin), *place_checks(workspace)]
    wanted = wanted_figures(pin_name, look)
    default = next(each.points for each in wanted if each.figure.figure == DEFAULT_FIGURE)
    everything = [point for each in wanted for point in each.points]
    pins, models = engines_and_models(default := default or everything)  # a release cannot give figure 2
    machine = machine_checks(*look.memory_bytes(default), look.model(models[0]).file_bytes)
    planned, store = missing_starts(wanted, look)
    checks = [*basis, *machine, look.disk(pins, models), store, gpus.check, *pin_checks(host, chosen)]
    checks += stock_checks(default, everything, look)
    if pin.device == "cuda":
        basis.append(gpus.check)
    return checks, figure_checks(wanted, planned, basis, look)
