"""Secrets on a command line and in its environment: which values they are, and texts and files without them.

A record keeps the command that was measured and everything that it printed; an API key must be in neither. A value is a
secret if the name it is given under says so (``--api-key X Y``, ``HF_TOKEN=X``, ``{"api_key": "X"}``,
``Authorization: Bearer X``), or if it is the password of a URL; also in a command that is one argument
(``bash -c "vllm serve M --api-key X"``). Not protected: values of fewer than four characters, whole numbers of fewer
than eight digits and words such as ``EMPTY`` or ``true``, which stand in every log and would be wiped out of it.
"""

import json
import os
import re
import shlex
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from harness.record.secret_names import MASK as MASK
from harness.record.secret_names import is_secret_name, is_worth_hiding, takes_several

_OPTION = re.compile(r"(--?[A-Za-z][\w.-]*)(=(.*))?", re.DOTALL)
_DASHED = re.compile(r"-[^-=\s][^=\s]{6,}")  # too long for a short option: a value that begins with a dash
_VARIABLE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_SHELL = re.compile(r"-[a-z]*c")  # bash -c, sh -lc: the next argument is a command
# A password, or in https://TOKEN@host the only word before the host.
_URL_PASSWORD = re.compile(r"((?<=://)[^\s/:@]*:|(?<=http://)|(?<=https://))([^\s/@]+)(?=@)")
_HEADER = re.compile(r"([A-Za-z][\w-]*):\s*(?:(?:bearer|basic|token)\s+)?([^\s\"',]+)", re.IGNORECASE)
_SCHEME = re.compile(r"(?:bearer|basic)\s+", re.IGNORECASE)
_CHUNK = 1 << 20


def secret_values(arguments: Sequence[str], environment: Mapping[str, str]) -> frozenset[str]:
    """Values that must not be recorded, from a command line and the variables it runs with."""
    found = [value for _, values in _read(arguments) for value in values]
    for name, value in environment.items():
        found += [value] if is_secret_name(name) else _inside(value)
    bare = (_SCHEME.sub("", value, count=1) if _SCHEME.match(value) else value for value in found)
    return frozenset(value for value in bare if is_worth_hiding(value))


def redacted_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``***`` where a secret is given, however short it is, and wherever else a secret occurs."""
    secrets = secret_values(arguments, {})
    return [redacted(shown, secrets) for shown, _ in _read(arguments)]


def redacted(text: str, secrets: Iterable[str]) -> str:
    """``text`` with ``***`` in the place of each secret, also of one that is written as JSON or as part of a URL."""
    pattern = _pattern(secrets)
    return pattern.sub(MASK, text) if pattern else text


def redact_file(path: Path, secrets: Iterable[str]) -> bool:
    """Replace each secret in a file by ``***``; whether there was one. A file without secrets is not touched.

    The file is read in pieces, and replaced in one step: a reader sees the old one or the new one.

    Raises:
        OSError: it cannot be read or replaced; it is as it was.
    """
    text = _pattern(secrets)
    if text is None:
        return False
    # Arguments and variables that are not UTF-8 come as surrogates: the file holds their bytes.
    pattern = re.compile(text.pattern.encode(errors="surrogateescape"))
    longest = max(len(form.encode(errors="surrogateescape")) for form in _forms(secrets))
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with path.open("rb") as source:
            if not any(found for _, found in _pieces(source, pattern, longest)):
                return False
            source.seek(0)
            with temporary.open("wb") as target:
                shutil.copymode(path, temporary)
                for kept, found in _pieces(source, pattern, longest):
                    target.write(kept + (MASK.encode() if found else b""))
                target.flush()
                os.fsync(target.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _read(arguments: Sequence[str], nested: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Each argument as it may be shown, and the secrets that were in it. ``nested``: they are words of an argument."""
    follow = 0  # how many of the next arguments are a secret option's values, options and their ends aside
    before, asked = "", False  # the argument before this one, and whether it asks for a secret
    for argument in arguments:
        option, variable = _OPTION.fullmatch(argument), _VARIABLE.fullmatch(argument)
        if asked and _DASHED.fullmatch(argument):
            option = None
        secret = is_secret_name(option[1]) if option else False
        if option or argument == "--":
            follow = 0
        if option and secret and option[3] is not None:
            yield f"{option[1]}={MASK}", [option[3]]
        elif option and secret:
            follow = len(arguments) if takes_several(option[1]) else 1
            yield argument, []
        elif follow and not option:
            follow -= 1
            yield MASK, [argument]
        elif variable and is_secret_name(variable[1]) and not (_SHELL.fullmatch(before) and " " in argument):
            # Words are cut at blanks, not at what ends a value in a shell or in Python.
            words = [variable[2].rstrip(");,")] if nested else _in_words(variable[2])
            yield f"{variable[1]}={MASK}", [variable[2], *words]
        else:
            found = [] if nested else _in_words(option[3] if option and option[3] else argument)
            shown = redacted(_URL_PASSWORD.sub(rf"\1{MASK}", argument), _in_json(argument))
            yield shown, [*_inside(argument), *found]
        before, asked = argument, bool(option and secret and option[3] is None)


def _in_words(text: str) -> list[str]:
    """Secrets in a command that is one argument, such as that of ``bash -c``."""
    try:
        words = shlex.split(text)
    except ValueError:  # quotes that do not end: no command
        return []
    return [value for _, values in _read(words, nested=True) for value in values] if len(words) > 1 else []


def _inside(text: str) -> list[str]:
    """Secrets in a value that is none as a whole: passwords of URLs, of headers, and of JSON objects."""
    passwords = [match[2] for match in _URL_PASSWORD.finditer(text)]
    headers = [match[2] for match in _HEADER.finditer(text) if is_secret_name(match[1])]
    return [*passwords, *map(unquote, passwords), *headers, *_in_json(text)]


def _in_json(text: str) -> list[str]:
    begin = text.find("{")
    try:
        return list(_in_document(json.loads(text[begin:]))) if begin >= 0 else []
    except (ValueError, RecursionError):  # braces, but no JSON
        return []


def _in_document(document: Any, secret: bool = False) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _in_document(value, secret or is_secret_name(key))
    elif isinstance(document, list):
        for value in document:
            yield from _in_document(value, secret)
    elif isinstance(document, str):
        yield from [document] if secret else _inside(document)


def _forms(secrets: Iterable[str]) -> set[str]:
    """Each secret as it is, and as JSON writes it."""
    plain = {secret for secret in secrets if secret}
    return plain | {json.dumps(secret, ensure_ascii=ascii)[1:-1] for secret in plain for ascii in (True, False)}


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """A search for every form of every secret, the longest first: none may be found as a part of another."""
    forms = sorted(_forms(secrets), key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, forms))) if forms else None


def _pieces(source: BinaryIO, pattern: re.Pattern[bytes], longest: int) -> Iterator[tuple[bytes, bool]]:
    """The file as pieces, each with whether a secret follows it; as if the pattern had searched the whole file."""
    held = b""
    while True:
        chunk = source.read(_CHUNK)
        held += chunk
        # A secret that begins after this may go on in the next chunk, or be the beginning of a longer one.
        certain = len(held) - longest + 1 if chunk else len(held)
        at = 0
        for match in pattern.finditer(held):
            if match.start() >= certain:
                break
            yield held[at : match.start()], True
            at = match.end()
        done = max(at, certain)
        yield held[at:done], False
        held = held[done:]
        if not chunk:
            return
