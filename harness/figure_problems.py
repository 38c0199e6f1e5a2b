"""What goes wrong with one of several figures or slots does not keep the others from theirs: it is told afterwards."""

from collections.abc import Callable, Sequence

from harness.errors import HarnessError
from harness.figure_cases import Asked
from harness.progress import console
from harness.record.plain import printable


def for_each(asked: list[Asked], step: Callable[[Asked], None]) -> list[HarnessError]:
    """Do the step for every figure: one that it fails for does not keep the others from theirs. Returns why it did."""
    problems = []
    for each in asked:
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
