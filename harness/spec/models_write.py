"""Write resolved revisions into ``models.yaml``, line by line: people write that file, and it keeps their form."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from harness.errors import HarnessError
from harness.record.atomic import write_text
from harness.spec.models import Models, load_models
from harness.spec.yamlfile import FastLoader, read_declaration

SOURCE = "the commit that the hub named when download_models.py --resolve last asked"
REVISION_LINE = re.compile(r'(    revision:[ \t]+)(?:null|"?[0-9a-f]{40}"?)([ \t]*(?:#.*)?)')
ENTRY_LINE = re.compile(r"  [^\s#].*")
BY_HAND = "write the revisions by hand, as 'revision: <40 hexadecimal digits>' with a line under 'sources'"


def with_revisions(path: Path, revisions: Mapping[str, str]) -> None:
    """Set the revision, and its source, of each model named in ``revisions`` (name → 40 hexadecimal digits).

    Every other line, comments included, stays as it is. The file is replaced as a whole or not at all.

    Raises:
        HarnessError: the file is not valid, has no such model or another form than one line per field, a revision is
            not a commit, or the file cannot be written.
    """
    known = load_models(path).models
    for name, revision in revisions.items():
        if name not in known:
            raise HarnessError(f"{path}: no model '{name}' to write a revision for")
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise HarnessError(f"{path}: not a commit of {name}: {revision[:80]!r} (40 hexadecimal digits expected)")
    lines = read_declaration(path).splitlines(keepends=True)
    for name, revision in revisions.items():
        _set_revision(path, lines, name, revision)
    text = "".join(lines)
    _check(path, text, revisions)
    try:
        write_text(path, text)
    except OSError as error:
        raise HarnessError(f"{path}: cannot write: {error.strerror}") from None


def _set_revision(path: Path, lines: list[str], name: str, revision: str) -> None:
    """Change the entry of ``name`` in ``lines``."""
    entries = [number for number, line in enumerate(lines) if ENTRY_LINE.match(line)]
    begin = next((number for number in entries if re.match(rf"  {re.escape(name)}:\s", lines[number])), len(lines))
    end = next((number for number in entries if number > begin), len(lines))
    found = [number for number in range(begin, end) if REVISION_LINE.match(lines[number])]
    sources = [number for number in range(begin, end) if lines[number].rstrip() == "    sources:"]
    if len(found) != 1 or len(sources) != 1:
        raise HarnessError(f"{path}: cannot find the lines 'revision:' and 'sources:' of {name}; {BY_HAND}")
    # In quotes: a commit of digits only is a number to YAML.
    lines[found[0]] = REVISION_LINE.sub(rf'\g<1>"{revision}"\g<2>', lines[found[0]])
    if not any(line.startswith("      revision:") for line in lines[sources[0] : end]):
        lines.insert(sources[0] + 1, f"      revision: {SOURCE}\n")


def _check(path: Path, text: str, revisions: Mapping[str, str]) -> None:
    """The edited text says what it should; a file in a form that nobody thought of is not to be damaged."""
    try:
        models = Models.model_validate(yaml.load(text, Loader=FastLoader)).models
    except (yaml.YAMLError, ValidationError):
        models = {}
    if any(name not in models or models[name].revision != revision for name, revision in revisions.items()):
        raise HarnessError(f"{path}: its form does not allow to change one line of it; {BY_HAND}")
