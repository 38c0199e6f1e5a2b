"""YAML declarations → validated pydantic objects, with errors that name file, line and field."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError

M = TypeVar("M", bound=BaseModel)


def load_yaml(path: Path, model: type[M]) -> M:
    """Read ``path`` as one ``model``.

    Raises:
        HarnessError: the file is absent, is not YAML, or does not fit; names file, line, field and what was found.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HarnessError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise HarnessError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise HarnessError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise HarnessError(f"{path}:1: expected a mapping of fields, got {type(document).__name__}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        line = _line_of(tree, first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise HarnessError(f"{path}:{line}: field '{field}': {first['msg']} (got {first['input']!r}){more}") from None


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
