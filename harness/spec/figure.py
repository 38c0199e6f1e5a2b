"""A figure's declaration: ``figures/figure-N/figure.yaml``."""

import difflib
import itertools
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import HarnessError
from harness.spec.fields import Device
from harness.spec.state import StartState
from harness.spec.study import COLD_START, declared_figures, other_studies
from harness.spec.study_figure import load_declared
from harness.workspace import Workspace

Mode = Literal["offline", "serve"]  # LLM(), or vllm serve
# What the slots of one figure must differ in; everything else must be equal.
Difference = Literal["gpu", "cpu", "storage"]
# What a quantity can be drawn against. Numbers of the model files, of the traced graph, of the engine's arguments.
Axis = Literal["tokenizer_mb", "size_b", "checkpoint_mb", "graph_kb", "graph_code_kb", "captured_sizes"]


class Smoke(BaseModel):
    """What ``--smoke`` changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    iterations: int = Field(ge=1)
    models: tuple[str, ...] | None = Field(default=None, min_length=1)  # a few of the figure's
    states: tuple[str, ...] | None = Field(default=None, min_length=1)  # the same of its states
    vary: dict[str, tuple[Any, ...]] = {}  # the same of an argument's values


class Shows(BaseModel):
    """What the figure draws: ``quantity`` per model or setting, against ``x`` (the paper's x where it is another)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    quantity: str  # a leaf or group of the spans, or one of the paper's log quantities
    x: Axis | None = None
    paper_x: Axis | None = None
    outside_fit: tuple[str, ...] = ()  # models that are drawn but left out of the line
    # log: as the paper's log line bounds it, where the leaf of that name is only a part of it.
    source: Literal["span", "log"] = "span"


class Figure(BaseModel):
    """What a figure measures and shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    figure: str
    question: str
    study: Literal["cold_start"]
    models: tuple[str, ...] = Field(min_length=1)
    iterations: int = Field(ge=1)
    smoke: Smoke
    parameters: dict[str, Any]  # engine arguments every case gets
    parameters_of: dict[str, dict[str, Any]] = {}  # by model; they win over the common ones
    parameters_on: dict[Device, dict[str, Any]] = {}  # by the engine's device; they win over both
    environment: dict[str, str] = {}  # variables of every start
    vary: dict[str, tuple[Any, ...]] = {}  # engine argument → its values: one case for each combination
    state: StartState = StartState()  # what a measured start begins from
    slot_states: dict[str, StartState] = {}  # by slot, where the figure compares states; they replace `state`
    states: dict[str, StartState] = {}  # by name, where a figure draws several: one case for each; they replace `state`
    engines: Literal["one", "all"] = "one"  # all: a case for each version on this device
    samples: tuple[Literal["cores"], ...] = ()  # what is sampled while a start runs
    paper_notes: tuple[str, ...] = ()  # what a reader must know of the paper's recording; goes into the caption
    engine_notes: dict[str, tuple[str, ...]] = {}  # pin → what a reader must know of own starts on it
    # None: the figure shows a whole start.
    shows: Shows | None = None
    slots: tuple[str, ...] = Field(min_length=1)
    differ: Difference | None = None
    timeout_s: float = Field(gt=0, allow_inf_nan=False)  # of one run

    def case_parameters(self, model: str, device: Device, smoke: bool = False) -> list[dict[str, Any]]:
        """Engine arguments of each of the model's cases, in the declared order. ``smoke``: those of the smoke alone."""
        common = {**self.parameters, **self.parameters_of.get(model, {}), **self.parameters_on.get(device, {})}
        vary = self.vary | (self.smoke.vary if smoke else {})
        return [common | dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]

    def states_in(self, slot: str, storage: str | None = None, smoke: bool = False) -> dict[str, StartState]:
        """Name → state of the cases of one slot; a figure with one state has no name for it.

        ``storage``: a level that was typed instead of the declared one. ``smoke``: those of the smoke alone.

        Raises:
            HarnessError: a level was typed, but the figure compares states that differ in theirs.
        """
        if storage and self.states:
            raise HarnessError(f"figure {self.figure} declares where each of its starts reads from; omit --storage")
        others = [name for name in self.slots if name != slot] if self.slot_states else []
        same = [name for name in others if self.slot_states.get(name, self.state).storage == storage]
        if same:
            raise HarnessError(f"figure {self.figure} compares storage levels, and {same[0]} is {storage} already")
        found = self.states or {"": self.slot_states.get(slot, self.state)}
        if smoke and self.smoke.states:
            found = {name: found[name] for name in self.smoke.states}
        return {
            name: state.model_copy(update={"storage": storage}) if storage else state for name, state in found.items()
        }

    @model_validator(mode="after")
    def _names_are_declared(self) -> "Figure":
        named = {"parameters_of": self.parameters_of, "smoke.models": self.smoke.models or ()}
        named["shows.outside_fit"] = self.shows.outside_fit if self.shows else ()
        for field, models in named.items():
            if unknown := [model for model in models if model not in self.models]:
                raise ValueError(f"{field} names '{unknown[0]}', which is not among this figure's models")
        if unknown := [slot for slot in self.slot_states if slot not in self.slots]:
            raise ValueError(f"slot_states names '{unknown[0]}', which is not among this figure's slots")
        if unknown := [state for state in self.smoke.states or () if state not in self.states]:
            raise ValueError(f"smoke.states names '{unknown[0]}', which is not among this figure's states")
        for name, values in self.smoke.vary.items():
            if unlisted := [value for value in values if value not in self.vary.get(name, ())]:
                raise ValueError(f"smoke.vary has {name} = {unlisted[0]}, which vary does not")
        if self.differ and len(self.slots) < 2:
            raise ValueError("differ needs at least two slots")
        if len(set(self.slots)) != len(self.slots) or len(set(self.models)) != len(self.models):
            raise ValueError("a slot or model is listed twice")
        return self


def figure_numbers(workspace: Workspace) -> list[str]:
    """Every figure of starts that has a folder, in reading order."""
    return [name for name, study in declared_figures(workspace).items() if study == COLD_START]


def load_figure(number: str, workspace: Workspace) -> Figure:
    """Read a figure's declaration.

    Raises:
        HarnessError: no such figure (lists the valid ones), one of another study, or a bad field.
    """
    known = figure_numbers(workspace)
    if study := other_studies(workspace).get(number):
        raise HarnessError(f"figure {number} is of the study {study}, not of starts; only run_figure.sh makes it")
    if number not in known:
        near = difflib.get_close_matches(number, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise HarnessError(f"unknown figure '{number}'{hint}; valid: {', '.join(known)}")
    return load_declared(number, Figure, workspace)
