"""Folders that one worker fills, one after the other: what it finished is kept, whoever ended it, the rest is removed.

A folder appears when it is whole, and none is overwritten (``harness/record/replay_making.py``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.errors import MeasurementFailed
from harness.measure.provenance import harness_facts, utc_now
from harness.record.replay_making import Facts, Making
from harness.record.replay_rows import ReplayError

F = TypeVar("F", bound=Facts)


@dataclass(frozen=True)
class Filled(Generic[F]):
    """A folder to be filled. ``facts`` says of what the worker finished what it is; raises ReplayError."""

    making: Making
    facts: Callable[[Making], F]


def fill(folders: Sequence[Filled[F]], worker: Callable[[], None], what: str) -> list[F]:
    """Let ``worker`` fill the folders and put in place what it finished; its facts. ``what`` a folder is, for people.

    Raises:
        MeasurementFailed: what ``worker`` left in a folder contradicts itself (it is named); the others are in place.
        What ``worker`` raises comes first; what it had finished is in place.
    """
    started = utc_now()
    for each in folders:
        each.making.begin(started, harness_facts())
    try:
        try:
            worker()
        finally:
            finished, problem = _put_in_place(folders)
    finally:
        for each in folders:
            each.making.discard()
    _refuse(problem, what)
    return finished


def put_in_place(folders: Sequence[Filled[F]], what: str) -> list[F]:
    """The same for what a killed call had finished.

    Raises:
        MeasurementFailed: something contradicts itself (it is named) and was removed; the others are in place.
    """
    finished, problem = _put_in_place(folders)
    _refuse(problem, what)
    return finished


def _put_in_place(folders: Sequence[Filled[F]]) -> tuple[list[F], ReplayError | None]:
    finished: list[F] = []
    problem: ReplayError | None = None
    for each in folders:
        if each.making.is_finished:
            try:
                facts = each.facts(each.making)
                each.making.close(facts)
                finished.append(facts)
            except ReplayError as error:
                each.making.discard()  # it would be in the way of the next try
                problem = error
    return finished, problem


def _refuse(problem: ReplayError | None, what: str) -> None:
    if problem is not None:
        raise MeasurementFailed(f"{what} cannot be used: {problem}; it was removed, repeat")
