"""What goes wrong with one of several figures, slots or stages keeps no other from its own: it is told afterwards."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from harness.errors import HarnessError
from harness.progress import console
from harness.record.plain import printable

Each = TypeVar("Each")


def for_each(several: Iterable[Each], step: Callable[[Each], None]) -> list[HarnessError]:
    """Do the step for every one: one that it fails for does not keep the others from theirs. Returns why it did."""
    problems = []
    for each in several:
        try:
            step(each)
        except HarnessError as error:
            problems.append(error)
    return problems


def raise_last(problems: Sequence[HarnessError]) -> None:
    """Print all but the last of the problems, which is raised; nothing if there is none."""
    for problem in problems[:-1]:
        console.print(f"error: {printable(str(problem))}", soft_wrap=True)
    if problems:
        raise problems[-1]
