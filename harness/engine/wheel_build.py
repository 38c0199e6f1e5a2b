"""Build a wheelhouse: every wheel that an engine and the harness need on a machine without a package index."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness import bootstrap
from harness.engine.wheel_download import BATCH, Downloads, glibc_of
from harness.engine.wheel_lock import (
    Target,
    Want,
    harness_wants,
    locked,
    merged,
    requirements_sha256,
    separate_torch,
    without,
)
from harness.errors import HarnessError
from harness.record.atomic import write_text
from harness.record.pieces import split
from harness.record.wheelhouse import (
    MANIFEST,
    TORCH,
    File,
    Wheelhouse,
    WheelhouseError,
    normal_name,
    problems,
    read_wheelhouse,
    sha256_of,
)
from harness.spec.pin import Build

Announce = Callable[[str], None]
MOST_PIECES = 10_000  # a manifest of so many is well below what is read of one
_LOCK, _TAKEN = ".lock", ".taken.json"  # beside the wheels while they are collected


@dataclass(frozen=True)
class Asked:
    """What was typed. ``split_bytes``: None = whole wheels."""

    build: Build
    target: Target
    dest: Path
    exclude: tuple[str, ...] = ()
    with_harness: bool = True
    split_bytes: int | None = None


def build_wheelhouse(asked: Asked, announce: Announce) -> Wheelhouse:
    """Collect the wheels; what an interrupted call has collected is used, and a finished wheelhouse kept.

    Raises:
        HarnessError: the pin does not run on that Python, a wheel cannot be had, or ``dest`` is something else.
    """
    _check_pythons(asked)
    dest = asked.dest.absolute()
    lock_wants = locked(asked.build, asked.target)
    torch = separate_torch(asked.build, lock_wants)
    engine, excluded = without([*lock_wants, *([torch] if torch else [])], asked.exclude)
    wants = merged([*engine, *(harness_wants() if asked.with_harness else [])])
    making = dest.with_name(f".{dest.name}.building")
    if (there := _finished(asked, dest, excluded)) is not None:
        _remove_leftover(making)
        announce(f"{dest} is that wheelhouse already")
        return there
    try:
        making.mkdir(parents=True, exist_ok=True)
        with FileLock(making / _LOCK, timeout=0):
            taken = _collect(asked, making, wants, lock_wants, announce)
            wheelhouse = _described(asked, making, taken, excluded)
            _place(asked, wheelhouse, making, dest)
    except Timeout:
        raise HarnessError(f"{dest}: another process is building it; wait until that ends or stop it") from None
    except OSError as error:
        raise HarnessError(
            f"{error.filename or dest}: cannot be written ({error.strerror}); name another folder"
        ) from None
    try:
        return read_wheelhouse(dest)
    except WheelhouseError as error:
        raise HarnessError(str(error)) from None


def _remove_leftover(making: Path) -> None:
    """What a call that was interrupted at its very end has left, unless it is still at work."""
    with suppress(Timeout):
        if making.is_dir():
            with FileLock(making / _LOCK, timeout=0):
                shutil.rmtree(making, ignore_errors=True)


def _check_pythons(asked: Asked) -> None:
    pin, python = asked.build, asked.target.python
    if python not in pin.python:
        raise HarnessError(f"engine {pin.name} needs Python {' or '.join(pin.python)}, not {python}")
    supported = [f"{major}.{minor}" for major, minor in bootstrap.SUPPORTED]
    if asked.with_harness and python not in supported:
        raise HarnessError(f"the harness needs Python {' or '.join(supported)}, not {python}; add --without-harness")


def _finished(asked: Asked, dest: Path, excluded: Mapping[str, tuple[str, ...]]) -> Wheelhouse | None:
    """The wheelhouse in ``dest`` if it is the one that is asked for; None: nothing is there."""
    if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
        return None
    try:
        found = read_wheelhouse(dest)
    except WheelhouseError as error:
        raise HarnessError(f"{dest} is there and is no wheelhouse ({error}); name a new folder") from None
    same = (found.pin, found.lock_sha256, found.python, found.platform) == (
        asked.build.name,
        asked.build.lock_sha256,
        asked.target.python,
        asked.target.platform,
    )
    same = same and dict(found.excluded) == dict(excluded) and bool(found.pieces) == (asked.split_bytes is not None)
    if not same or found.requirements_sha256 != _requirements_sha256(asked):
        raise HarnessError(f"{dest} is a wheelhouse of something else; name a new folder")
    if asked.split_bytes and found.pieces[0].bytes != min(asked.split_bytes, sum(file.bytes for file in found.files)):
        raise HarnessError(f"{dest} has the same wheels in pieces of another size; name a new folder")
    wrong = problems(dest, found.pieces or found.files)
    if wrong.stop:
        raise HarnessError(f"{dest}: {'; '.join(wrong.lines())}; remove the folder and repeat")
    return found


def _collect(
    asked: Asked, making: Path, wants: Sequence[Want], lock_wants: Sequence[Want], announce: Announce
) -> dict[str, File]:
    """Wheel name → what it is, of every wanted wheel, in the folder ``making``."""
    taken = _taken_before(making)
    downloads = Downloads(making, asked.target)
    absent = [want for want in wants if _file_of(want, taken) is None]
    announce(f"{len(wants)} wheels, {len(absent)} of them to be downloaded …")
    hashed = [want for want in absent if want.hashes]
    unhashed = [want for want in absent if not want.hashes and TORCH not in want.used_for]
    done = len(wants) - len(absent)
    for batch in [*_batches(hashed), *_batches(unhashed)]:
        _take(making, taken, downloads.get(batch))
        done += len(batch)
        size = sum(path.stat().st_size for path in making.glob("*.whl"))
        announce(f"{done} of {len(wants)} wheels, {size / 1e6:.0f} MB")
    torch = [want for want in absent if TORCH in want.used_for]
    for want in torch:
        _take(making, taken, downloads.get_with_dependencies(want, lock_wants, os.environ.get("TORCH_INDEX_URL")))
    return _with_uses(wants, taken)


def _with_uses(wants: Sequence[Want], taken: Mapping[str, File]) -> dict[str, File]:
    found: dict[str, File] = {}
    for want in wants:
        file = _file_of(want, taken)
        if file is None:
            raise HarnessError(f"{want.name}=={want.version}: pip gave another version; repeat, or make the lock again")
        found[file.name] = File(file.name, file.sha256, file.bytes, want.used_for)
    if any(TORCH in want.used_for for want in wants):  # what torch brought is wanted by nobody else
        rest = [file for name, file in taken.items() if name not in found]
        found |= {file.name: File(file.name, file.sha256, file.bytes, (TORCH,)) for file in rest}
    return found


def _file_of(want: Want, taken: Mapping[str, File]) -> File | None:
    """The wheel of a wanted package; a local part that the index added (+cpu) is of no matter."""
    versions = (want.version, want.version.partition("+")[0])
    for file in taken.values():
        if file.package == normal_name(want.name) and file.version.partition("+")[0] in versions:
            return file
    return None


def _taken_before(making: Path) -> dict[str, File]:
    """The wheels that earlier calls have taken, as far as they are what they were; others are removed."""
    try:
        hashes: dict[str, str] = json.loads((making / _TAKEN).read_text("utf-8"))
    except (OSError, ValueError):
        hashes = {}
    for leftover in making.glob(".pip-*"):
        shutil.rmtree(leftover)
    found = {}
    for path in making.glob("*.whl"):
        if hashes.get(path.name) == sha256_of(path):
            found[path.name] = File(path.name, hashes[path.name], path.stat().st_size)
        else:
            path.unlink()
    return found


def _take(making: Path, taken: dict[str, File], paths: Sequence[Path]) -> None:
    for path in paths:
        taken[path.name] = File(path.name, sha256_of(path), path.stat().st_size)
    write_text(making / _TAKEN, json.dumps({name: file.sha256 for name, file in taken.items()}))


def _batches(wants: Sequence[Want]) -> list[Sequence[Want]]:
    return [wants[start : start + BATCH] for start in range(0, len(wants), BATCH)]


def _described(
    asked: Asked, making: Path, files: Mapping[str, File], excluded: Mapping[str, tuple[str, ...]]
) -> Wheelhouse:
    for path in making.glob("*.whl"):
        if path.name not in files:  # of a call that asked for more
            path.unlink()
    return Wheelhouse(
        pin=asked.build.name,
        lock_sha256=asked.build.lock_sha256,
        requirements_sha256=_requirements_sha256(asked),
        python=asked.target.python,
        platform=asked.target.platform,
        glibc=f"2.{max(glibc_of(name) for name in files) if files else 0}",
        excluded=excluded,
        files=tuple(files[name] for name in sorted(files)),
    )


def _requirements_sha256(asked: Asked) -> str | None:
    return requirements_sha256() if asked.with_harness else None


def _place(asked: Asked, wheelhouse: Wheelhouse, making: Path, dest: Path) -> None:
    """Give the folder its name, or its pieces' folder."""
    if asked.split_bytes is None:
        write_text(making / MANIFEST, wheelhouse.text())
        (making / _TAKEN).unlink()
        (making / _LOCK).unlink()
        making.rename(dest)
        return
    count = sum(file.bytes for file in wheelhouse.files) // asked.split_bytes + 1
    if count > MOST_PIECES:
        raise HarnessError(
            f"--split: {count} pieces are more than the {MOST_PIECES} that are read again; make them larger"
        )
    pieces = making / ".pieces"
    shutil.rmtree(pieces, ignore_errors=True)
    pieces.mkdir()
    write_text(pieces / MANIFEST, split(making, wheelhouse, asked.split_bytes, pieces).text())
    pieces.rename(dest)
    shutil.rmtree(making)
