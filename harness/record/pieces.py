"""A wheelhouse cut into pieces of a bounded size, and put together again from several deliveries.

The pieces are the wheels' bytes one after the other, in the manifest's order. So a piece can be written to its place in
the wheels as soon as it has arrived: joining takes no second copy of it, and a delivery may be removed after it.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from harness.record.atomic import write_text
from harness.record.wheelhouse import MANIFEST, File, Wheelhouse, WheelhouseError, is_whole, read_wheelhouse

_CHUNK = 1 << 20
_HAVE = ".have"  # suffix of an empty file: this piece has been written


def split(folder: Path, wheelhouse: Wheelhouse, limit_bytes: int, out: Path) -> Wheelhouse:
    """Write the wheels of ``folder`` as pieces of at most ``limit_bytes`` into ``out``; returns the manifest with them.

    Raises:
        OSError: a wheel cannot be read, or a piece not be written.
    """
    stream = _chunks(folder / file.name for file in wheelhouse.files)
    left, pieces = b"", list[File]()
    while left or (left := next(stream, b"")):
        name = f"part-{len(pieces):03d}"
        digest, size = hashlib.sha256(), 0
        with (out / name).open("wb") as piece:
            while size < limit_bytes and (left or (left := next(stream, b""))):
                part, left = left[: limit_bytes - size], left[limit_bytes - size :]
                piece.write(part)
                digest.update(part)
                size += len(part)
        pieces.append(File(name, digest.hexdigest(), size))
    return replace(wheelhouse, pieces=tuple(pieces))


def _chunks(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk


@dataclass(frozen=True)
class Joined:
    """How far a wheelhouse has come: complete if neither a piece is missing nor damaged."""

    wheelhouse: Wheelhouse  # as it is without pieces
    pieces: tuple[File, ...]
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the folder is there."""
        return not (self.missing or self.damaged)


def join(sources: Sequence[Path], dest: Path) -> Joined:
    """Put the wheels together in ``dest`` from the pieces that lie in ``sources``, and from those of earlier calls.

    Until all have come they lie in a hidden folder beside ``dest``, which then becomes it.

    Raises:
        WheelhouseError: no manifest, manifests that differ, a wheelhouse without pieces, a ``dest`` that is something
            else or that another process joins, or wheels that are not what the manifest says.
        OSError: something cannot be read or written.
    """
    dest = dest.absolute()
    dest.parent.mkdir(parents=True, exist_ok=True)
    with _alone(dest):
        return _join([source.absolute() for source in sources], dest)


@contextmanager
def _alone(dest: Path) -> Iterator[None]:
    """Two joins would mark pieces that the other one is still writing."""
    path = dest.with_name(f".{dest.name}.joining.lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat())  # not one just removed
        except BlockingIOError:
            mine = False
        except OSError:  # a file system without locks
            mine = True
        if not mine:
            raise WheelhouseError(f"{dest}: another process is joining it; wait until that ends or stop it")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _join(sources: Sequence[Path], dest: Path) -> Joined:
    making = dest.with_name(f".{dest.name}.joining")
    wheelhouse = _manifest(sources, making)
    whole = replace(wheelhouse, pieces=())
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        if (dest / MANIFEST).is_file() and read_wheelhouse(dest) == whole:
            return Joined(whole, wheelhouse.pieces)
        raise WheelhouseError(f"{dest}: is there and is not this wheelhouse; name a new folder")
    making.mkdir(parents=True, exist_ok=True)
    write_text(making / MANIFEST, wheelhouse.text())
    missing, damaged = list[str](), list[str]()
    starts = [0, *accumulate(piece.bytes for piece in wheelhouse.pieces)]
    for piece, start in zip(wheelhouse.pieces, starts, strict=False):
        if (making / (piece.name + _HAVE)).exists():
            continue
        found = [source / piece.name for source in sources if (source / piece.name).is_file()]
        good = next((path for path in found if is_whole(path, piece)), None)
        if good is None:
            (damaged if found else missing).append(piece.name)
            continue
        _write(good, start, whole.files, making)
        (making / (piece.name + _HAVE)).touch()
    if not missing and not damaged:
        _complete(wheelhouse, making, dest)
    return Joined(whole, wheelhouse.pieces, tuple(missing), tuple(damaged))


def _manifest(sources: Sequence[Path], making: Path) -> Wheelhouse:
    """The manifest that all sources have that have one, and what an earlier call left in ``making``."""
    having = [source for source in (*sources, making) if (source / MANIFEST).exists()]
    if not having:
        raise WheelhouseError(f"{MANIFEST} is in none of {', '.join(map(str, sources))}; it belongs to the pieces")
    found = [read_wheelhouse(source) for source in having]
    for source, each in zip(having, found, strict=True):
        if each != found[0] and source == making:
            raise WheelhouseError(
                f"{making} holds pieces of another wheelhouse than {having[0]}; delete it, or name another --dest"
            )
        if each != found[0]:
            raise WheelhouseError(f"{source} and {having[0]} are of different wheelhouses; join them one by one")
    if not found[0].pieces:
        raise WheelhouseError(f"{having[0]}: its wheels were not split; use it as it is")
    if sum(piece.bytes for piece in found[0].pieces) != sum(file.bytes for file in found[0].files):
        raise WheelhouseError(f"{having[0]}: its pieces are not as long as its wheels; build it again")
    return found[0]


def _write(piece: Path, start: int, files: Sequence[File], making: Path) -> None:
    """Put a piece into the wheels; ``start``: its place in the stream of all of them."""
    begins = [0, *accumulate(file.bytes for file in files)]
    with piece.open("rb") as source:
        for file, begin in zip(files, begins, strict=False):
            end = begin + file.bytes
            if end <= start or not file.bytes:
                continue
            path = making / file.name
            path.touch()
            with path.open("r+b") as wheel:
                wheel.seek(max(start - begin, 0))
                start += _copied(source, wheel, end - max(start, begin))
                wheel.flush()
                os.fsync(wheel.fileno())  # before the piece is marked as had: the machine may stop in between
            if start < end:  # the piece is at its end
                return


def _copied(source: BinaryIO, target: BinaryIO, most: int) -> int:
    copied = 0
    while copied < most and (chunk := source.read(min(_CHUNK, most - copied))):
        target.write(chunk)
        copied += len(chunk)
    return copied


def _complete(wheelhouse: Wheelhouse, making: Path, dest: Path) -> None:
    files = wheelhouse.files
    for file in files:
        (making / file.name).touch()  # an empty one is in no piece
    wrong = [file.name for file in files if not is_whole(making / file.name, file)]
    if wrong:
        again = _covering(wheelhouse, wrong)
        for name in again:
            (making / (name + _HAVE)).unlink(missing_ok=True)
        raise WheelhouseError(
            f"{', '.join(wrong)} is not as listed; repeat with {', '.join(again) or 'all pieces'}, "
            "and if that changes nothing, build the wheelhouse again"
        )
    write_text(making / MANIFEST, replace(wheelhouse, pieces=()).text())
    for mark in making.glob(f"part-*{_HAVE}"):
        mark.unlink()
    making.rename(dest)  # in the place of an empty folder, never of another one


def _covering(wheelhouse: Wheelhouse, names: Sequence[str]) -> list[str]:
    """The pieces that hold something of these wheels."""
    ends = list(accumulate(file.bytes for file in wheelhouse.files))
    places = [(end - file.bytes, end) for file, end in zip(wheelhouse.files, ends, strict=True) if file.name in names]
    found, start = [], 0
    for piece in wheelhouse.pieces:
        if any(start < end and start + piece.bytes > begin for begin, end in places):
            found.append(piece.name)
        start += piece.bytes
    return found
