"""A wheelhouse on disk: a folder of wheels, or of the pieces that they were cut into, and ``wheelhouse.json``.

It is made on a machine that reaches a package index and carried to one that reaches none (docs/wheelhouse.md). Whoever
reads one checks it: it may have been damaged on the way, or made by anybody.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.record.plain import is_name, printable

# 1: first version.
SCHEMA_VERSION = 1
KIND = "wheels of an engine"
MANIFEST = "wheelhouse.json"
# What a wheel is for: locked packages of the engine; its separately pinned torch and what that brought; .venv/.
ENGINE, TORCH, HARNESS = "engine", "torch", "harness"
USES = (ENGINE, TORCH, HARNESS)

_MAX_MANIFEST_BYTES = 4 << 20
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*-[A-Za-z0-9_.+!]+(-[A-Za-z0-9_.]+){3,4}\.whl")
_PIECE = re.compile(r"part-[0-9]{3,6}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


class WheelhouseError(ValueError):
    """A wheelhouse that cannot be used. The message is one printable line."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class File:
    """A wheel (``used_for``: see ``USES``) or a piece (used for nothing by itself)."""

    name: str
    sha256: str
    bytes: int
    used_for: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """Normal name of a wheel's package."""
        return normal_name(self.name.split("-")[0])

    @property
    def version(self) -> str:
        """Version of a wheel's package, its local part included."""
        return self.name.split("-")[1]

    def document(self) -> dict[str, Any]:
        """As the manifest has it."""
        used_for = {"for": list(self.used_for)} if self.used_for else {}
        return {"name": self.name, "sha256": self.sha256, "bytes": self.bytes, **used_for}


@dataclass(frozen=True)
class Wheelhouse:
    """What ``wheelhouse.json`` says. ``excluded``: pattern → the packages it left out, as ``name==version``."""

    pin: str
    lock_sha256: str
    requirements_sha256: str | None  # of requirements.txt; None: without the harness's own wheels
    python: str
    platform: str  # what was asked for; a wheel for a newer glibc is taken where there is no other
    glibc: str  # the oldest that all its wheels run on
    excluded: Mapping[str, tuple[str, ...]]
    files: tuple[File, ...]
    pieces: tuple[File, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """Every excluded package, as ``name==version``."""
        return tuple(sorted({package for packages in self.excluded.values() for package in packages}))

    def of(self, *uses: str) -> tuple[File, ...]:
        """The wheels for these uses."""
        return tuple(file for file in self.files if set(uses) & set(file.used_for))

    def text(self) -> str:
        """The manifest: the same wheelhouse gives the same bytes."""
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "pin": self.pin,
            "lock_sha256": self.lock_sha256,
            "requirements_sha256": self.requirements_sha256,
            "python": self.python,
            "platform": self.platform,
            "glibc": self.glibc,
            "excluded": {pattern: list(packages) for pattern, packages in self.excluded.items()},
            "files": [file.document() for file in self.files],
        }
        if self.pieces:
            document["pieces"] = [piece.document() for piece in self.pieces]
        return json.dumps(document, indent=1) + "\n"


@dataclass(frozen=True)
class Problems:
    """What of a folder is not as its manifest says, by file name."""

    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()

    @property
    def stop(self) -> bool:
        """Whether something that is needed is not there; what is surplus only lies about."""
        return bool(self.missing or self.damaged)

    def lines(self) -> list[str]:
        """For people: one line for each kind."""
        named = (("missing", self.missing), ("damaged", self.damaged), ("surplus, not installed", self.surplus))
        return [printable(f"{what}: {', '.join(names)}") for what, names in named if names]


def read_wheelhouse(folder: Path) -> Wheelhouse:
    """The manifest of a folder. Raises WheelhouseError: there is none, or it is not one."""
    path = folder / MANIFEST
    try:
        return _parsed(parse_json(read_bounded(path, _MAX_MANIFEST_BYTES)))
    except OSError as error:
        raise WheelhouseError(
            f"{path}: cannot be read ({error.strerror}); name a folder of `wheelhouse build`"
        ) from None
    except (UnreadableError, KeyError, TypeError, ValueError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise WheelhouseError(f"{path}: not a wheelhouse ({why}); build or copy it again") from None


def problems(
    folder: Path, files: Iterable[File], known: Iterable[File] | None = None, contents: bool = True
) -> Problems:
    """Which of ``files`` are not in ``folder`` or have another content; and the wheels there that are not ``known``.

    ``known`` (default: ``files``): everything that may lie there. Without ``contents`` only sizes are looked at.
    """
    files = tuple(files)
    names = {file.name for file in (files if known is None else known)}
    try:
        surplus = tuple(sorted(path.name for path in folder.glob("*.whl") if path.name not in names))
    except OSError:
        surplus = ()
    absent = tuple(file.name for file in files if not (folder / file.name).is_file())
    there = (file for file in files if file.name not in absent)
    damaged = tuple(file.name for file in there if not is_whole(folder / file.name, file, contents))
    return Problems(absent, damaged, surplus)


def is_whole(path: Path, file: File, contents: bool = True) -> bool:
    """Whether a file has the size and (looked at on request) the content that it should have."""
    try:
        return path.stat().st_size == file.bytes and (not contents or sha256_of(path) == file.sha256)
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def requirements(files: Iterable[File]) -> str:
    """A requirement file with hashes that names exactly these wheels."""
    return "".join(f"{file.package}=={file.version} --hash=sha256:{file.sha256}\n" for file in files)


def offline_options(folder: Path, wanted: Path) -> list[str]:
    """Arguments of ``pip install`` that take the wheels of a requirement file from a folder and from nowhere else."""
    options = ["--no-index", "--find-links", str(folder.absolute()), "--no-deps", "--require-hashes"]
    return [*options, "--only-binary=:all:", "-r", str(wanted)]


def offline_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a pip without the caller's configuration: an index, a constraint or a folder may be set there."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def normal_name(name: str) -> str:
    """A package's name as indexes compare them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _parsed(document: Any) -> Wheelhouse:
    """Raises KeyError, TypeError or ValueError: it is no manifest of this schema."""
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ValueError(f"its kind is not '{KIND}'")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema {document.get('schema_version')!r}, this version reads {SCHEMA_VERSION}")
    requirements_sha256 = document["requirements_sha256"]
    files = tuple(_file(each, _WHEEL) for each in document["files"])
    if any(not file.used_for for file in files) or len({file.name for file in files}) < len(files):
        raise ValueError("a wheel for nothing, or twice")
    return Wheelhouse(
        pin=_text(document["pin"]),
        lock_sha256=_matching(document["lock_sha256"], _SHA256),
        requirements_sha256=None if requirements_sha256 is None else _matching(requirements_sha256, _SHA256),
        python=_matching(document["python"], re.compile(r"3\.[0-9]{1,2}")),
        platform=_text(document["platform"]),
        glibc=_matching(document["glibc"], re.compile(r"2\.[0-9]{1,3}")),
        excluded={_text(pattern): tuple(map(_text, names)) for pattern, names in document["excluded"].items()},
        files=files,
        pieces=tuple(_file(each, _PIECE) for each in document.get("pieces", ())),
    )


def _file(document: Any, name: re.Pattern[str]) -> File:
    used_for = tuple(document.get("for", ()))
    size = document["bytes"]
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or not set(used_for) <= set(USES):
        raise ValueError(f"{document['name']!r}: bytes or use")
    return File(_matching(document["name"], name), _matching(document["sha256"], _SHA256), size, used_for)


def _matching(text: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is out of place")
    return text


def _text(text: Any) -> str:
    if not isinstance(text, str) or not is_name(text):
        raise ValueError(f"{text!r} is out of place")
    return text
