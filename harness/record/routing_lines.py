"""Lines of a routing run (``routing_records.py``), one JSON object a line, read from anywhere and written atomically.

Every line has exactly the fields of its kind, in their types, and values that can be.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from harness.record.atomic import write_text
from harness.record.bounded import DECODER, UnreadableError, open_regular
from harness.record.plain import is_name, printable
from harness.record.routing_records import EVENTS, Decision
from harness.record.runcheck import fits

MAX_NUMBER = 10**15
_MAX_FILE = 1 << 30
_MAX_LINE = 16 << 20  # a request of a million output tokens
_MAX_TEXT = 2000
_NAME_OF = {kind: name for name, kind in EVENTS.items()}
Record = TypeVar("Record")


class RoutingRunError(ValueError):
    """A routing run that cannot be used; the message, one printable line, names the file and what is wrong."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def read_records(
    path: Path, kind: type[Record], added: Mapping[str, Any] | None = None, torn: bool = False
) -> list[Record]:
    """The lines of a file of one kind. ``added``: what is true of all of them and stands in none.

    Args:
        path: the file.
        kind: ``Served`` or ``Sample``.
        added: fields of ``kind`` that the lines lack (a replica's own log does not repeat its name).
        torn: a last line without its end is left out: whoever wrote it was killed.

    Raises:
        RoutingRunError: absent, too large, or a line that cannot be (its number is named).
    """
    return [kind(**checked({**(added or {}), **line}, kind, where)) for where, line in _lines(path, torn)]


def read_decisions(path: Path, torn: bool = False) -> list[Decision]:
    """The router's events, in the file's order. Raises as ``read_records``."""
    return [_decision(line, where) for where, line in _lines(path, torn)]


def write_records(path: Path, records: Iterable[Any]) -> None:
    """Write records of any kinds, one a line, atomically. Raises OSError."""
    write_text(path, "".join(json.dumps(_document(record), allow_nan=False) + "\n" for record in records))


def checked(document: dict[str, Any], kind: type[Any], where: str) -> dict[str, Any]:
    """The document, if it has exactly the fields of ``kind`` in their types, and values that can be.

    Raises:
        RoutingRunError: it has not; ``where`` and the first such field are named.
    """
    types = {each.name: each.type for each in fields(kind)}
    if document.keys() != types.keys():
        differing = ", ".join(sorted(document.keys() ^ types.keys()))
        raise RoutingRunError(f"{where}: missing or unknown keys: {differing[:200]}")
    for name, annotation in types.items():
        value = document[name]
        if not fits(value, annotation) or not _can_be(value):
            raise RoutingRunError(f"{where}: {name} has a value that cannot be (got {repr(value)[:80]})")
    return document


def _decision(line: dict[str, Any], where: str) -> Decision:
    event = line.pop("event", None)
    kind = EVENTS.get(event) if isinstance(event, str) else None
    if kind is None:
        raise RoutingRunError(f"{where}: event must be one of {', '.join(EVENTS)} (got {repr(event)[:40]})")
    found: Decision = kind(**checked(line, kind, where))
    return found


def _document(record: Any) -> dict[str, Any]:
    name = _NAME_OF.get(type(record))
    return ({} if name is None else {"event": name}) | asdict(record)


def _lines(path: Path, torn: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's place, ``FILE:17``, and its JSON object."""
    number = 0
    try:
        with open_regular(path, _MAX_FILE) as file:
            while line := file.readline(_MAX_LINE + 1):
                number += 1
                if not line.endswith(b"\n"):
                    if torn and len(line) <= _MAX_LINE:
                        return
                    raise RoutingRunError(f"{path}:{number}: cut off, or longer than {_MAX_LINE >> 20} MiB")
                document = DECODER.decode(line.decode("utf-8"))
                if not isinstance(document, dict):
                    raise RoutingRunError(f"{path}:{number}: not a JSON object")
                yield f"{path}:{number}", document
    except UnreadableError as error:
        raise RoutingRunError(f"{path}: not readable ({error})") from None
    except OSError as error:
        raise RoutingRunError(f"{path}: not readable ({error.strerror})") from None
    except RecursionError:
        raise RoutingRunError(f"{path}:{number}: nested too deeply") from None
    except ValueError as error:
        if isinstance(error, RoutingRunError):
            raise
        raise RoutingRunError(f"{path}:{number}: not JSON ({printable(str(error), 100)})") from None


def _can_be(value: Any) -> bool:
    """Numbers are not negative and not endless, texts are names."""
    if isinstance(value, str):
        return is_name(value, _MAX_TEXT)
    if isinstance(value, dict):
        return all(map(_can_be, value)) and all(map(_can_be, value.values()))
    if isinstance(value, list):
        return all(map(_can_be, value))
    return value is None or 0 <= value <= MAX_NUMBER
