"""Bundles: the same slots make the same bytes, come back equal, and nothing else comes out of a stranger's file."""

import hashlib
import io
import json
import stat
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record import bundle as bundle_module
from harness.record.bundle import INDEX, KIND, Bundle, BundleError, pack, unpack

MANIFEST = b'{"any": "manifest"}\n'
SAMPLE = Bundle("11", {"cpu0": {"manifest.json": MANIFEST, "data.csv": b"a,b\n1,2\n" * 40}})

slot_names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
file_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}\.csv", fullmatch=True)
slot_contents = st.dictionaries(file_names, st.binary(max_size=300), max_size=4).map(
    lambda files: {**files, "manifest.json": MANIFEST}
)
bundles = st.builds(Bundle, st.just("11"), st.dictionaries(slot_names, slot_contents, min_size=1, max_size=4))


@settings(max_examples=40, deadline=None)
@given(bundles)
def test_what_is_packed_comes_back_equal_whatever_the_order(bundle: Bundle) -> None:
    content = pack(bundle)
    assert unpack(content) == bundle
    backwards = {slot: dict(reversed(files.items())) for slot, files in reversed(bundle.slots.items())}
    assert pack(Bundle("11", backwards)) == content


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_damaged_byte_is_refused_in_one_line_or_changes_nothing(data: Any) -> None:
    content = bytearray(pack(SAMPLE))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    told = ""
    try:
        assert unpack(bytes(content)) == SAMPLE
    except BundleError as error:
        told = str(error)
    assert told.isprintable()


def test_a_truncated_bundle_is_refused_wherever_it_ends() -> None:
    content = pack(SAMPLE)
    for length in range(0, len(content), 7):
        with pytest.raises(BundleError, match="copy it again"):
            unpack(content[:length])


@given(st.binary(max_size=200))
def test_other_kinds_of_files_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        unpack(content)
    with pytest.raises(BundleError):
        unpack(b"PK\x03\x04" + content + b"PK\x05\x06" + content)


def entry(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def index(**changed: Any) -> dict[str, Any]:
    slots = {"cpu0": [entry("manifest.json", MANIFEST), entry("data.csv", b"x\n")]}
    return {"schema_version": 1, "kind": KIND, "figure": "11", "slots": slots, **changed}


def archive(document: Any, *members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A bundle made by somebody else's program."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(INDEX, document if isinstance(document, bytes) else json.dumps(document))
        for name, data in members:
            file.writestr(name, data)
    return content.getvalue()


GOOD = (("cpu0/manifest.json", MANIFEST), ("cpu0/data.csv", b"x\n"))


def refused(content: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        unpack(content)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_another_programs_bundle_is_read() -> None:
    assert unpack(archive(index(), *GOOD)) == Bundle("11", {"cpu0": {"manifest.json": MANIFEST, "data.csv": b"x\n"}})


def slots(*entries: dict[str, Any], name: str = "cpu0") -> dict[str, Any]:
    return index(slots={name: [entry("manifest.json", MANIFEST), *entries]})


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (index(schema_version=2), "schema_version 2 is newer than this program (1); update it"),
        (index(schema_version=0), "schema_version must be 1 (got 0)"),
        (index(schema_version=True), "schema_version must be 1"),
        (index(kind="something else"), "not a bundle of slots"),
        ([], "not a bundle of slots"),
        (b"{", "bundle.json: not JSON"),
        (b"[" * 100_000, "nested deeper"),
        (index(figure=11), "figure must be a figure's name"),
        (index(figure=""), "figure must be"),
        (index(figure="\x1b[2J"), "figure must be"),
        (index(slots={}), "1 to 16 slots"),
        (index(slots={f"s{n}": [entry("manifest.json", MANIFEST)] for n in range(17)}), "1 to 16 slots"),
        (index(slots=[]), "slots must be an object"),
        (index(slots={"cpu0": []}), "list of 1 to 65 files"),
        (index(slots={"cpu0": [entry("data.csv", b"")]}), "no manifest.json"),
        (slots(entry("a.csv", b""), entry("a.csv", b"")), "lists a file twice"),
        (slots({"name": "a.csv", "bytes": -1, "sha256": "0" * 64}), "lacks its bytes"),
        (slots({"name": "a.csv", "bytes": 1, "sha256": "x"}), "lacks its bytes or sha256"),
        (slots({"name": "a.csv", "bytes": 1 << 40, "sha256": "0" * 64}), "bytes unpacked"),
        (slots("data.csv"), "a file that no slot has"),
        *((slots(name=name), "is no slot's name") for name in ("..", "", "/tmp", "a/b", ".hidden", "A", "x" * 33)),
        *(
            (slots(entry(name, b"")), "a file that no slot has")
            for name in (
                "../data.csv",
                "/data.csv",
                ".x.csv",
                "a.py",
                "plot.py",
                "a\x00.csv",
                "a\\..\\b.csv",
                "a\n.csv",
            )
        ),
    ],
)
def test_an_index_that_says_what_no_bundle_says_is_refused(document: Any, complaint: str) -> None:
    assert complaint in refused(archive(document, *GOOD))


@pytest.mark.parametrize(
    "name", ["../../outside.csv", "/outside.csv", "cpu0/../../x.csv", "cpu0/more.csv", "plot.py", "cpu0/", "..\\x"]
)
def test_a_file_that_the_index_does_not_list_is_refused(name: str) -> None:
    assert "not in its index" in refused(archive(index(), *GOOD, (name, b"")))


def test_a_file_that_is_lacking_or_changed_is_named() -> None:
    assert refused(archive(index(), GOOD[0])) == "lacks cpu0/data.csv; copy it again"
    told = refused(archive(index(), GOOD[0], ("cpu0/data.csv", b"y\n")))
    assert told.startswith("cpu0/data.csv: not what was packed (sha256 differs")
    assert refused(archive(index(), GOOD[0], ("cpu0/data.csv", b"x"))).startswith("cpu0/data.csv: not what was packed")
    assert "expected at most 2" in refused(archive(index(), GOOD[0], ("cpu0/data.csv", b"x\n\n")))


def test_a_zip_without_an_index_and_a_file_that_is_there_twice_are_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("cpu0/data.csv", "")
    assert refused(content.getvalue()).startswith("not a bundle: a zip file without bundle.json")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(index(), *GOOD, GOOD[0])
    assert "holds a file twice" in refused(twice)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_a_folder_a_pipe_and_a_device_are_refused(kind: int) -> None:
    info = zipfile.ZipInfo("cpu0/data.csv")
    info.external_attr = (kind | 0o777) << 16
    assert "is not a plain file" in refused(archive(index(), GOOD[0], (info, b"x\n")))


def test_what_unpacks_to_far_more_than_its_index_says_is_not_unpacked() -> None:
    zeros = b"\0" * (50 << 20)
    bomb = archive(index(), GOOD[0], ("cpu0/data.csv", zeros))
    assert len(bomb) < 100_000
    assert "expected at most 2" in refused(bomb)
    size = len(zeros).to_bytes(4, "little")
    assert bomb.count(size) == 2  # in front of the file, and in the directory at the end
    assert refused(bomb.replace(size, (2).to_bytes(4, "little")))  # the archive lies as well: 2 bytes are read


def test_too_much_is_neither_packed_nor_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack(SAMPLE)
    monkeypatch.setattr(bundle_module, "_MAX_UNPACKED_BYTES", 100)
    assert "may have at most 100" in refused(content)
    with pytest.raises(BundleError, match="at most 100"):
        pack(SAMPLE)
    monkeypatch.setattr(bundle_module, "_MAX_UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr(bundle_module, "MAX_BUNDLE_BYTES", 100)
    with pytest.raises(BundleError, match="choose fewer slots"):
        pack(SAMPLE)


def test_an_encrypted_or_unknown_compression_is_refused() -> None:
    content = pack(SAMPLE)
    for offset, value in ((8, 1), (10, 99), (10, 12), (10, 14)):  # flags, method: in the directory of the archive
        at = content.index(b"PK\x01\x02") + offset
        assert refused(content[:at] + bytes([value]) + content[at + 1 :])
