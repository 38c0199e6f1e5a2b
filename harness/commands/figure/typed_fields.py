"""``--set FIELD=VALUE``: fields of a figure's declaration that were typed, put in their places and checked there."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError
from harness.record.plain import printable

SHOWN = 60

M = TypeVar("M", bound=BaseModel)


def typed_fields(overrides: Sequence[str]) -> dict[str, Any]:
    """Field → value, of ``load.request_rate=8``. Raises HarnessError: it is not written so."""
    found: dict[str, Any] = {}
    for each in overrides:
        name, equals, text = each.partition("=")
        if not equals or not name.strip():
            raise HarnessError(f"--set {printable(each, SHOWN)}: write it as FIELD=VALUE, as in load.request_rate=8")
        try:
            found[name.strip()] = _value(text)
        except (yaml.YAMLError, ValueError, RecursionError):  # also a date of month 13
            raise HarnessError(
                f"--set {printable(each, SHOWN)}: the value is no number, word, true, false or null"
            ) from None
    return found


def _value(text: str) -> Any:
    """As YAML reads it; numbers also as people write them: inf, 1e6."""
    value = yaml.safe_load(text)
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def put_field(into: dict[str, Any], name: str, value: Any) -> None:
    """Put the value in the place of the field ``a.b``. Raises HarnessError: there is no such field."""
    *path, last = name.split(".")
    place: Any = into
    for part in path:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
        known = [key for key, at in into.items() if not isinstance(at, dict)]
        known += [f"{key}.{each}" for key, at in into.items() if isinstance(at, dict) for each in at]
        raise HarnessError(f"--set {printable(name, SHOWN)}: no such field; there are {', '.join(known)}")
    place[last] = value


def validated(model: type[M], document: Mapping[str, Any], place: str = "") -> M:
    """The declaration with what was typed in it, checked by the rules of ``figure.yaml``. Raises HarnessError."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = place + ".".join(str(part) for part in first["loc"])
        got = "" if isinstance(first["input"], dict) else f" (got {printable(str(first['input']), SHOWN)})"
        where = f"--set {field}" if field else "--set"  # fields that contradict each other have no one name
        raise HarnessError(f"{where}: {first['msg'].removeprefix('Value error, ')}{got}") from None
