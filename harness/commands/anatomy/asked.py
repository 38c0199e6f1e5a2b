"""What was typed of the anatomy figure, checked: which server under which loads, and which features."""

from dataclasses import dataclass

from experiments.engine_anatomy.study import Case
from harness.commands.figure.studies import StudyCall
from harness.commands.figure.typed_fields import put_field, typed_fields, validated
from harness.engine.default_pin import default_pin
from harness.errors import HarnessError
from harness.measure.inherited import caller_threads
from harness.spec.anatomy import AnatomyFigure, Setting, load_anatomy
from harness.spec.features import chosen_features
from harness.spec.models import find_model
from harness.spec.pin import Pin, load_pin, pin_names
from harness.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """Part of the figure. ``features``: cases of the feature matrix, in their order."""

    figure: AnatomyFigure
    pin: Pin
    case: Case
    features: tuple[str, ...]
    smoke: bool
    iterations: int | None

    @property
    def setting(self) -> Setting:
        """The server's."""
        return self.case.setting


def asked_of(call: StudyCall, workspace: Workspace) -> Asked:
    """What the command line asks for.

    Raises:
        HarnessError: an engine without a serving hook table, an unknown model, field or feature, a value that cannot
            be, or OMP_NUM_THREADS that is no number of threads.
    """
    figure = load_anatomy(call.figure, workspace)
    if threads := caller_threads():
        figure = _with_threads(figure, threads)
    pin = load_pin(call.engine or default_pin())
    if not pin.serving.is_file():
        known = [name for name in pin_names() if load_pin(name).serving.is_file()]
        raise HarnessError(f"engine {pin.name} has no serving hooks; --engine takes {', '.join(known)}")
    case = Case(_setting(figure, pin, call), figure.smoke.levels if call.smoke else figure.levels, figure.sampled)
    return Asked(
        figure,
        pin,
        case,
        tuple(chosen_features(figure.features, call.features, call.smoke)),
        call.smoke,
        call.iterations,
    )


def _with_threads(figure: AnatomyFigure, threads: int) -> AnatomyFigure:
    """The caller's OMP_NUM_THREADS instead of what is declared; ``--set threads=…`` wins over both."""
    return figure.model_copy(
        update={
            "cpu": figure.cpu.model_copy(update={"threads": threads}),
            "features": figure.features.model_copy(update={"threads": threads}),
        }
    )


def _setting(figure: AnatomyFigure, pin: Pin, call: StudyCall) -> Setting:
    setting = figure.setting(pin.device).model_dump()
    if call.smoke:
        setting["repeats"] = figure.smoke.repeats
    if len(call.models) > 1:
        raise HarnessError("--models takes one model for this figure; a slot is about one server")
    setting |= {"model": call.models[0]} if call.models else {}
    setting |= {"repeats": call.iterations} if call.iterations else {}
    for name, value in typed_fields(call.overrides).items():
        put_field(setting, name, value)
    found = validated(Setting, setting)
    find_model(found.model)
    return found
