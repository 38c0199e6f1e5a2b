"""YAML declarations → validated pydantic objects, with errors that name file, line and field."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError

M = TypeVar("M", bound=BaseModel)

SHOWN_CHARACTERS = 120  # of a value that does not fit

# libyaml's parser, seven times as fast as PyYAML's own (which stands in where a build of PyYAML lacks it).
FastLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NESTED = 2000  # levels that libyaml is given: at some 30,000 it overflows the stack
_NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, LookupError, TypeError, AttributeError)


def load_yaml(path: Path, model: type[M]) -> M:
    """Read ``path`` as one ``model``.

    Raises:
        HarnessError: the file is absent, is not YAML, or does not fit; names file, line, field and what was found.
    """
    tree, document = _parse(path)
    if not isinstance(document, dict):
        raise HarnessError(f"{path}:1: expected a mapping of fields, got {type(document).__name__}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = _one_line(".".join(str(part) for part in first["loc"])) or "(whole file)"
        line = _line_of(tree, first["loc"])
        got = "" if first["type"] == "missing" else f" (got {_shown(first['input'])})"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise HarnessError(f"{path}:{line}: field '{field}': {_one_line(first['msg'])}{got}{more}") from None


def read_declaration(path: Path) -> str:
    """The text of a declaration. Raises HarnessError naming the file if it is absent, unreadable or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HarnessError(f"{path}: no such file") from None
    except OSError as error:
        raise HarnessError(f"{path}: cannot read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None


def _parse(path: Path) -> tuple[yaml.Node | None, Any]:
    """The file as YAML nodes, which know their lines, and as values."""
    text = read_declaration(path)
    if _nested_at_most(text) < _MOST_NESTED:
        with suppress(*_NOT_YAML):
            tree, document, twice = _read(text, FastLoader)
            if twice is None:
                return tree, document
    try:  # once more, for what is wrong in PyYAML's words, which are clearer than libyaml's
        tree, document, twice = _read(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise HarnessError(f"{path}:{line}: not valid YAML: {_one_line(str(error.problem))}") from None
    except (yaml.YAMLError, RecursionError) as error:  # a control character; nested too deeply
        raise HarnessError(f"{path}: not valid YAML: {_one_line(str(error))}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:  # a date of month 13, an !!int of letters
        raise HarnessError(f"{path}: not valid YAML: a value is not of its type ({_one_line(str(error))})") from None
    if twice is not None:  # YAML forbids it, PyYAML lets the last one win
        line = twice.start_mark.line + 1
        raise HarnessError(f"{path}:{line}: not valid YAML: key '{_one_line(twice.value)}' is given twice")
    return tree, document


def _nested_at_most(text: str) -> int:
    """More levels than the text can have: a bracket opens one, and so can every two characters of a line."""
    return text.count("[") + text.count("{") + max(map(len, text.split("\n")))


def _read(text: str, parser: type[yaml.SafeLoader]) -> tuple[yaml.Node | None, Any, yaml.ScalarNode | None]:
    """Nodes, values, and a key that is given twice. Raises one of _NOT_YAML."""
    loader = parser(text)
    tree = loader.get_single_node()
    twice = next(_keys_given_twice(tree, set()), None)
    return tree, None if tree is None else loader.construct_document(tree), twice


def _keys_given_twice(node: yaml.Node | None, seen: set[int]) -> Iterator[yaml.ScalarNode]:
    """Every second key of the same name in one mapping; ``seen`` holds nodes that were looked at (aliases repeat)."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _keys_given_twice(item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[tuple[str, str]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys:
                    yield key
                keys.add((key.tag, key.value))
            yield from _keys_given_twice(value, seen)


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """1-based line of the deepest part of ``location`` that exists in the YAML tree."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            match = [(key, value) for key, value in node.value if key.value == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            match = [(node.value[part], node.value[part])]
        else:
            match = []
        if not match:
            break
        key, node = match[0]
        line = key.start_mark.line + 1
    return line


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())
