"""A sequence of whole numbers as a prediction task: what is predicted from what, and which part may be learnt from.

The W values before a value predict it. The targets are split by time: the first 70 % train, the next 15 % validate, the
last 15 % test; a window may reach back into the part before, never forward. Definitions: docs/sequence.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError

Task = Literal["regression", "classification"]
TASKS = get_args(Task)
MAX_WINDOW = 512
MAX_CLASSES = 256
MAX_VALUE = 2**53 - 1  # what a double holds exactly
LEAST_TARGETS = 10
TRAIN_SHARE, VALIDATION_SHARE = 0.70, 0.15

Values = NDArray[np.int64]  # shape (n,), in order of time


@dataclass(frozen=True)
class Settings:
    """What is predicted: value ``mod`` of a sequence (None: the value itself) from ``window`` values before it."""

    task: Task
    window: int
    mod: int | None

    def text(self) -> str:
        """For people."""
        what = "the value" if self.mod is None else f"value mod {self.mod}"
        return f"{self.task} of {what} from the {self.window} before it"

    def as_json(self) -> dict[str, Any]:
        """For records."""
        return asdict(self)


@dataclass(frozen=True)
class Split:
    """Positions in the sequence: targets are ``first … train_end … validation_end … end``, ends excluded."""

    first: int
    train_end: int
    validation_end: int
    end: int

    @property
    def test(self) -> slice:
        """Of the sequence."""
        return slice(self.validation_end, self.end)

    @property
    def validation(self) -> slice:
        """Of the sequence."""
        return slice(self.train_end, self.validation_end)

    def as_json(self) -> dict[str, int]:
        """For records."""
        return asdict(self)


def make_settings(task: str, window: int, mod: int | None, values: Sequence[int] | Values) -> Settings:
    """The settings, with the number of distinct values as ``mod`` of a classification that names none.

    Raises:
        HarnessError: they are impossible, or cannot be met by these values; says which option to change.
    """
    if task not in TASKS:
        raise HarnessError(f"--task {task}: no such task; name one of {', '.join(TASKS)}")
    if not 1 <= window <= MAX_WINDOW:
        raise HarnessError(f"--window-size {window}: it must be 1 to {MAX_WINDOW} values")
    if mod is not None and mod < 2:
        raise HarnessError(f"--mod {mod}: it must be at least 2")
    if len(values) < window + LEAST_TARGETS:
        wanted = f"a window of {window} takes at least {window + LEAST_TARGETS}"
        raise HarnessError(f"{len(values)} values are too few: {wanted}; give more data or a smaller --window-size")
    classification: Task = "classification"
    if task != classification:
        return Settings("regression", window, mod)
    if mod is None:
        mod = len(np.unique(np.asarray(values)))
        if mod < 2:
            raise HarnessError("all values are equal: there is nothing to classify; give other data")
        if mod > MAX_CLASSES:
            many = f"{mod} distinct values are too many classes (at most {MAX_CLASSES})"
            raise HarnessError(f"{many}; give --mod M, or --task regression")
    if mod > MAX_CLASSES:
        raise HarnessError(f"--mod {mod}: a classification has at most {MAX_CLASSES} classes; give a smaller one")
    return Settings(classification, window, mod)


def as_values(values: Sequence[int] | Values) -> Values:
    """The sequence as an array. Raises HarnessError for what is no whole number from 0 to ``MAX_VALUE``."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise HarnessError("a sequence has one column of whole numbers")
    if array.size and not 0 <= array.min() <= array.max() <= MAX_VALUE:
        raise HarnessError(f"a sequence has whole numbers from 0 to {MAX_VALUE}")
    return array.astype(np.int64)


def modelled(values: Values, settings: Settings) -> Values:
    """The sequence that is predicted and predicted from: the values, or each of them mod ``settings.mod``."""
    return values if settings.mod is None else values % settings.mod


def split(length: int, window: int) -> Split:
    """How a sequence of ``length`` values is divided (``make_settings`` has checked that it is long enough)."""
    targets = length - window
    train = int(targets * TRAIN_SHARE)
    validation = int(targets * VALIDATION_SHARE)
    return Split(window, window + train, window + train + validation, length)
