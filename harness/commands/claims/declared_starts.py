"""Whether a slot's cases are what its figure declares: only these are a claim's starts."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.measure.case import DIRECT_FORMATS
from harness.measure.inherited import DEFINING
from harness.record.slotfacts import Manifest, shown
from harness.spec.fields import Device
from harness.spec.figure import Figure
from harness.spec.pin import Pin

_OF_A_CALL = {"eager": False, "mode": "offline", "drop_caches": None}  # what no figure declares otherwise
# Where it was read from stands in the state too. Both slots at once is how a figure of GPUs may be measured.
_NOT_COMPARED = ("storage", "parallel")


def otherwise(case: Manifest, figure: Figure, slot: str, device: Device, pin: Pin | None) -> str | None:
    """What was asked of the case's starts instead of what ``figure.yaml`` declares for the slot; None: nothing.

    What an older slot does not tell is taken to be as declared, and so are variables of a ``pin`` that is not known.
    """
    model = str(case["model"].get("name", case["case"]))
    grid = figure.case_parameters(model, device)
    states = [state.declared() for state in figure.states_in(slot).values()]
    found = [list(_differences(case, figure, parameters, state, pin)) for parameters in grid for state in states]
    closest = min(found, key=len)
    return f"started with {', '.join(closest)}" if closest else None


def _differences(
    case: Manifest, figure: Figure, parameters: Mapping[str, Any], state: Mapping[str, str], pin: Pin | None
) -> Iterator[str]:
    wanted = {**_OF_A_CALL, **parameters}
    told = {name: value for name, value in case["parameters"].items() if name not in _NOT_COMPARED}
    given = {name: told.get(name, _OF_A_CALL.get(name)) for name in wanted.keys() | told.keys()}
    yield from (
        _instead(name, given[name], wanted.get(name)) for name in sorted(given) if given[name] != wanted.get(name)
    )
    storage = {name: value for name, value in case["parameters"].items() if name == "storage"}
    yield from _in_state({**storage, **case.get("state", {})}, state, parameters)
    variables = case.get("environment")
    if pin and isinstance(variables, Mapping):
        declared = {**pin.environment, **figure.environment}
        for name in (*DEFINING, *figure.environment):
            if variables.get(name) != declared.get(name):
                must = f"be {declared[name]}" if name in declared else "not be set"
                yield f"{name} {shown(variables.get(name))} in the environment, where it must {must}"


def _in_state(told: Mapping[str, Any], declared: Mapping[str, str], parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in declared.items():
        # What reads past the page cache starts from the disk, whatever is declared.
        direct = name == "storage" and value == "ram" and parameters.get("load_format") in DIRECT_FORMATS
        wanted = "ssd" if direct else value
        if told.get(name, wanted) != wanted:
            yield _instead(name, told[name], wanted)


def _instead(name: str, told: object, wanted: object) -> str:
    return f"{name} {shown(told)} instead of {shown(wanted)}"
