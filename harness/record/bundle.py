"""A bundle: slots of one figure in one file, to be carried to another machine.

A zip file with ``bundle.json`` (schema, figure, and name, bytes and sha256 of every file of every slot) and the slots'
files as ``<slot>/<file>``, nothing else. The same slots make the same bytes. It is read as what it is, a stranger's
file: only what its index lists, plain files of plain names, each within bounds, each with its checksum.
"""

import hashlib
import io
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.record.bounded import UnreadableError, parse_json
from harness.record.plain import is_name, printable
from harness.record.slot import MANIFEST
from harness.record.slotcheck import MAX_FILES

# 1: first version.
SCHEMA_VERSION = 1
KIND = "slots of a cold-start figure"
INDEX = "bundle.json"
MAX_BUNDLE_BYTES = 256 << 20
MAX_SLOTS = 16
_MAX_UNPACKED_BYTES = 512 << 20
_MAX_INDEX_BYTES = 1 << 20

_SLOT = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.csv")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that zip knows: a bundle does not depend on when it was made
# All that the zip module raises at files that are none, or are damaged.
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, LookupError, RuntimeError)

Files = Mapping[str, bytes]  # of one slot, by name


class BundleError(ValueError):
    """The bundle cannot be read or made. The message is one printable line, without the bundle's name."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds: a figure's number, and the files of its slots by slot name."""

    figure: str
    slots: Mapping[str, Files]


def is_slot_name(name: str) -> bool:
    """Whether a slot, and its folder, may be called so."""
    return bool(_SLOT.fullmatch(name))


def pack(bundle: Bundle) -> bytes:
    """The bundle as a file. Raises BundleError: a name that cannot travel, or too much of it."""
    slots = {slot: dict(sorted(files.items())) for slot, files in sorted(bundle.slots.items())}
    listed = {slot: [_entry(name, content) for name, content in files.items()] for slot, files in slots.items()}
    index = {"schema_version": SCHEMA_VERSION, "kind": KIND, "figure": bundle.figure, "slots": listed}
    _check_index(index)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        _add(archive, INDEX, json.dumps(index, indent=1).encode() + b"\n")
        for slot, files in slots.items():
            for name, content in files.items():
                _add(archive, f"{slot}/{name}", content)
    if packed.tell() > MAX_BUNDLE_BYTES:
        raise BundleError(f"{packed.tell()} bytes, a bundle may have at most {MAX_BUNDLE_BYTES}; choose fewer slots")
    return packed.getvalue()


def unpack(content: bytes) -> Bundle:
    """What is in the bundle, with every name, size and checksum checked; the slots themselves are not looked into.

    Raises:
        BundleError: it is no bundle, of a newer version, damaged, or holds what a bundle never holds.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read(archive)
    except BundleError:
        raise
    except _DAMAGE as error:
        raise BundleError(f"not a bundle, or damaged on the way ({error}); copy it again") from None


def _read(archive: zipfile.ZipFile) -> Bundle:
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise BundleError("holds a file twice; make it again: python3 harness bundle NUM")
    if INDEX not in members:
        raise BundleError(f"not a bundle: a zip file without {INDEX}; make one: python3 harness bundle NUM")
    try:
        index = parse_json(_content(archive, members[INDEX], _MAX_INDEX_BYTES))
    except UnreadableError as error:
        raise BundleError(f"{INDEX}: {error}") from None
    _check_index(index)
    listed = {f"{slot}/{entry['name']}" for slot, entries in index["slots"].items() for entry in entries}
    if stray := sorted(members.keys() - listed - {INDEX}):
        raise BundleError(f"holds '{stray[0][:100]}', which is not in its index")
    if lost := sorted(listed - members.keys()):
        raise BundleError(f"lacks {lost[0]}; copy it again")
    slots = {
        slot: {entry["name"]: _checked(archive, members[f"{slot}/{entry['name']}"], entry) for entry in entries}
        for slot, entries in index["slots"].items()
    }
    return Bundle(index["figure"], slots)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """The bytes of a plain file of at most ``max_bytes``, whatever the archive claims of its size."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.is_dir():
        raise BundleError(f"'{info.filename[:100]}' is not a plain file")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others have errors of their own
        raise BundleError(f"'{info.filename[:100]}' is compressed in a way that no bundle is (damaged?); copy it again")
    if info.file_size > max_bytes:
        raise BundleError(f"'{info.filename[:100]}' has {info.file_size} bytes, expected at most {max_bytes}")
    with archive.open(info) as file:
        return file.read(max_bytes)


def _checked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Mapping[str, Any]) -> bytes:
    content = _content(archive, info, entry["bytes"])
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise BundleError(f"{info.filename}: not what was packed (sha256 differs from {INDEX}); copy it again")
    return content


def _check_index(index: Any) -> None:
    """The shape of bundle.json."""
    if not isinstance(index, dict) or index.get("kind") != KIND:
        raise BundleError(f"not a bundle of slots: {INDEX} does not say '{KIND}'")
    version = index.get("schema_version")
    if type(version) is int and version > SCHEMA_VERSION:
        raise BundleError(f"schema_version {version} is newer than this program ({SCHEMA_VERSION}); update it")
    if type(version) is not int or version != SCHEMA_VERSION:
        raise BundleError(f"{INDEX}: schema_version must be {SCHEMA_VERSION} (got {version!r:.40})")
    figure, slots = index.get("figure"), index.get("slots")
    if not isinstance(figure, str) or not is_name(figure, 32):
        raise BundleError(f"{INDEX}: figure must be a figure's name (got {figure!r:.40})")
    if not isinstance(slots, dict) or not 0 < len(slots) <= MAX_SLOTS:
        raise BundleError(f"{INDEX}: slots must be an object of 1 to {MAX_SLOTS} slots")
    for slot, entries in slots.items():
        if not is_slot_name(slot):
            raise BundleError(f"{INDEX}: '{slot[:80]}' is no slot's name")
        _check_files(slot, entries)
    total = sum(entry["bytes"] for entries in slots.values() for entry in entries)
    if total > _MAX_UNPACKED_BYTES:
        raise BundleError(f"{total} bytes unpacked, a bundle may have at most {_MAX_UNPACKED_BYTES}")


def _check_files(slot: str, entries: Any) -> None:
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_FILES + 1:
        raise BundleError(f"{INDEX}: {slot} must be a list of 1 to {MAX_FILES + 1} files")
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not (name == MANIFEST or _FILE.fullmatch(name)):
            raise BundleError(f"{INDEX}: {slot} has a file that no slot has: {name!r:.80}")
        size, digest = entry.get("bytes"), entry.get("sha256")
        if type(size) is not int or size < 0 or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise BundleError(f"{INDEX}: {slot}/{name} lacks its bytes or sha256")
    names = [entry["name"] for entry in entries]
    if len(set(names)) != len(names) or MANIFEST not in names:
        raise BundleError(f"{INDEX}: {slot} lists a file twice, or no {MANIFEST}")


def _entry(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, (stat.S_IFREG | 0o644) << 16
    archive.writestr(info, content, compresslevel=9)
