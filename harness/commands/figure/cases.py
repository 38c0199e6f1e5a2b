"""What a call of ``run_figure.sh`` asks for: figures, the slot they go to, the engines and cases of each.

Nothing here acts: what can be said before anything is installed or made is said from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.engine.default_pin import check_fit, default_pin, note_on_default
from harness.engine.detect import visible_gpus
from harness.errors import HarnessError
from harness.measure.case import Options, Setting
from harness.spec.figure import Figure
from harness.spec.figure_groups import figures_of
from harness.spec.models import find_model
from harness.spec.pin import Pin, load_pin
from harness.spec.releases import pins_like
from harness.workspace import Workspace


@dataclass(frozen=True)
class Point:
    """One point of a figure's grid, before its model and engine are there."""

    model: str
    setting: Setting
    pin: Pin

    def label(self, figure: Figure) -> str:
        """What the figure varies besides the model, in a few words."""
        varied = [f"{name}={value}" for name, value in self.setting.varied(figure).items()]
        return " ".join([*varied, *([self.pin.name] if figure.engines == "all" else [])])


@dataclass(frozen=True)
class Asked:
    """One figure of a call."""

    figure: Figure
    slot: str
    points: tuple[Point, ...]
    notes: tuple[str, ...]  # what cannot be measured here, and why
    kept: tuple[Point, ...] = ()  # measured before and not to be started now; they stay in the slot beside the others

    @property
    def number(self) -> str:
        """The figure's name on the command line."""
        return self.figure.figure

    @property
    def shown(self) -> tuple[Point, ...]:
        """Everything that the slot is to hold."""
        return (*self.points, *self.kept)


def engines_and_models(points: Sequence[Point]) -> tuple[list[Pin], list[str]]:
    """Of these points, each once, in their order."""
    pins = {point.pin.name: point.pin for point in points}
    return list(pins.values()), list(dict.fromkeys(point.model for point in points))


def notes_of(asked: Sequence[Asked]) -> list[str]:
    """What cannot be measured of one figure in these slots, and why; else what is to be known of what can."""
    notes = [note.removeprefix(f"figure {each.number}: ") for each in asked for note in each.notes]
    pins, _ = engines_and_models([point for each in asked for point in each.points])
    known = [note for each in asked for pin in pins for note in each.figure.engine_notes.get(pin.name, ())]
    return list(dict.fromkeys(notes or known))


def notes_on(asked: Sequence[Asked], pin_name: str | None) -> list[str]:
    """What is to be said before figures are measured with this engine; None: with this machine's."""
    own = note_on_default() if pin_name is None else None
    which = [note for each in asked if (note := _which_gpu(each))]
    notes = [*([own] if own else []), *(note for each in asked for note in each.notes), *which]
    return list(dict.fromkeys(notes))


def _which_gpu(asked: Asked) -> str | None:
    """Where a figure compares GPUs and several are visible: which one goes to the slot, and how both are measured."""
    if asked.figure.differ != "gpu" or not asked.points or asked.points[0].setting.parallel:
        return None
    if len(gpus := visible_gpus()) < 2:
        return None
    number, index = asked.number, asked.figure.slots.index(asked.slot)
    first, second = gpus[:2]
    return (
        f"figure {number}: slot {asked.slot} is the first of {len(gpus)} visible GPUs, {first['name']} "
        f"({first['uuid']}); the second one: CUDA_VISIBLE_DEVICES={second['uuid']} bash run_figure.sh {number} "
        f"{1 - index}; both at once: bash run_figure.sh {number} --parallel"
    )


def asked_figures(
    name: str,
    slot_index: int | None,
    options: Options,
    pin_name: str | None,
    workspace: Workspace,
    versions: tuple[str, ...] = (),
) -> list[Asked]:
    """The figures that a call asks for, with everything that can be measured of them here.

    ``versions``: of a figure over all versions, instead of the usual ones.

    Raises:
        HarnessError: unknown figure, model, engine, version or slot; an engine that this machine cannot run; caches
            to be dropped where no start is cold.
    """
    figures = figures_of(name, workspace)
    if versions and (pin_name or any(figure.engines != "all" for figure in figures)):
        raise HarnessError("--versions is for figure 1, and excludes --engine, which chooses one engine for any figure")
    for model in options.models or ():
        find_model(model)
    pin = load_pin(pin_name or default_pin())
    check_fit(pin)
    asked = []
    for figure in figures:
        all_versions = figure.engines == "all" and pin_name is None
        pins = pins_like(pin, versions, options.smoke) if all_versions else [pin]
        asked.append(asked_with(figure, slot_index, options, pin, pins))
    _check_dropping(options, [point.setting for each in asked for point in each.points])
    return asked


def _check_dropping(options: Options, settings: Sequence[Setting]) -> None:
    if options.drop_caches and settings and not any(setting.drops for setting in settings):
        raise HarnessError(
            "--drop-caches all: every start asked for finds its files in memory, so nothing would be dropped; "
            "add --storage ssd (or path:DIR), or leave it out"
        )


def asked_with(figure: Figure, slot_index: int | None, options: Options, pin: Pin, pins: Sequence[Pin]) -> Asked:
    """One figure with these engines, whatever this machine has. ``pin``: the one whose lacks the whole figure has.

    Raises:
        HarnessError: no such slot.
    """
    return _asked(figure, _slot(figure, slot_index), options, pin, pins)


def _slot(figure: Figure, index: int | None) -> str:
    if index is not None and not 0 <= index < len(figure.slots):
        slots = ", ".join(f"{number} ({slot})" for number, slot in enumerate(figure.slots))
        raise HarnessError(f"figure {figure.figure} has no slot {index}; it has {slots}")
    return figure.slots[index or 0]


def _asked(figure: Figure, slot: str, options: Options, pin: Pin, pins: Sequence[Pin]) -> Asked:
    if reason := _impossible(figure, pin):
        return Asked(figure, slot, (), (f"figure {figure.figure}: {reason}; only the paper's data is drawn",))
    points: list[Point] = []
    notes: list[str] = []
    for each in pins:
        for model in options.models_of(figure):
            for setting in _settings(figure, slot, model, options, each):
                why, possible = _possible(setting, each)
                notes += [f"figure {figure.figure}: {why}"] if why else []
                points += [Point(model, possible, each)] if possible else []
    return Asked(figure, slot, tuple(points), tuple(dict.fromkeys(notes)))


def _settings(figure: Figure, slot: str, model: str, options: Options, pin: Pin) -> Iterator[Setting]:
    """Every combination of engine arguments and states that the figure declares for the model."""
    for parameters in figure.case_parameters(model, pin.device, options.smoke):
        for name, state in figure.states_in(slot, options.storage, options.smoke).items():
            mode = options.mode or "offline"
            yield Setting(parameters, state, name, options.eager, mode, options.drop_caches, options.parallel)


def _possible(setting: Setting, pin: Pin) -> tuple[str | None, Setting | None]:
    """The setting as this engine can have it, None where it cannot; and what is to be said of that."""
    given = [f"{name}={value}" for name, value in setting.parameters.items()]
    if lacks := next((item for item in given if item in pin.lacks), None):
        return f"engine {pin.name} lacks {lacks} ({pin.lacks[lacks]})", None
    if setting.direct and setting.state.storage == "tmpfs":
        return f"{setting.parameters['load_format']} reads with O_DIRECT, which tmpfs does not have", None
    if setting.direct and setting.state.storage == "ram":
        why = f"{setting.parameters['load_format']} reads with O_DIRECT, past the page cache: it starts from the disk"
        return why, replace(setting, state=setting.state.model_copy(update={"storage": "ssd"}))
    return None, setting


def _impossible(figure: Figure, pin: Pin) -> str | None:
    """Why nothing of the figure can be measured with this engine; None if something can."""
    if figure.differ == "gpu" and pin.device != "cuda":
        return f"it compares two GPUs, and engine {pin.name} runs on the CPU"
    if figure.engines != "all" and not pin.traced:
        return f"engine {pin.name} is a release without a hook table, whose phases cannot be told"
    if figure.shows and (why := pin.lacks.get(figure.shows.quantity)):
        return f"engine {pin.name} has no {figure.shows.quantity} ({why})"
    return None
