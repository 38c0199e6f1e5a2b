"""Files that say first which schema they are of: facts of a run, written whole and read with every field checked.

What is read may come from anywhere. Readers name the error that they raise: its message, one printable line, names the
file and the first thing that is wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, read_object
from harness.record.plain import is_name, printable
from harness.record.runcheck import fits

_LONGEST = 200  # characters of names of keys


def write_facts(path: Path, facts: Any) -> None:
    """Write a dataclass, ``schema_version`` first. Raises OSError; ValueError: a number that is none."""
    document = asdict(facts)
    write_json(path, {"schema_version": document.pop("schema_version"), **document})


def read_versioned(path: Path, max_bytes: int, version: int, error: type[ValueError]) -> dict[str, Any]:
    """The JSON object in a file of this schema version. Raises ``error``."""
    try:
        document = read_object(path, max_bytes)
    except UnreadableError as why:
        raise error(f"{path}: {why}") from None
    found = document.get("schema_version")
    if found != version or isinstance(found, bool):
        is_newer = isinstance(found, int | float) and found > version
        told = f"schema_version is {printable(repr(found), 40)}, this harness reads {version}"
        raise error(f"{path}: {told}{'; it is newer: update the harness' if is_newer else ''}")
    return document


def types_of(kind: type[Any], **instead: Any) -> dict[str, Any]:
    """A dataclass's fields and their types; ``instead``: of those that JSON has as something simpler."""
    return {each.name: instead.get(each.name, each.type) for each in fields(kind)}


def check_fields(
    document: Mapping[str, Any],
    types: Mapping[str, Any],
    where: str,
    error: type[ValueError],
    can_be: Callable[[str, Any], bool] = lambda _name, _value: True,
) -> None:
    """Whether an object has exactly these fields, in these types; ``can_be``: whether a field may have a value.

    Raises ``error``: it has not; ``where`` and the first such field are named.
    """
    if document.keys() != types.keys():
        odd = ", ".join(sorted(document.keys() ^ types.keys()))
        raise error(f"{where}: missing or unknown keys: {printable(odd, _LONGEST)}")
    for name, annotation in types.items():
        value = document[name]
        if not fits(value, annotation) or not can_be(name, value):
            raise error(f"{where}: {name} has a value that cannot be (got {printable(repr(value), 80)})")


def texts_are_names(name: str, value: Any) -> bool:
    """For ``check_fields``: a text can stand where people read a name, unless it is a reason."""
    return not isinstance(value, str) or name == "reason" or is_name(value)
