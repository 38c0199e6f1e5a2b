import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.cold_start.worker_twin_tokenizer import (
    CONSONANTS,
    SIZE_TOLERANCE,
    TokenizerRequest,
    byte_alphabet,
    vocabulary_and_merges,
    write_tokenizer,
)


def request(
    entries: int = 4000, merges: int | None = None, file_bytes: int = 240_000, seed: int = 0
) -> TokenizerRequest:
    special = 16
    first = entries - special
    return TokenizerRequest(entries, special, merges, file_bytes, first, first + 1, 2048, seed)


def written(folder: Path, wanted: TokenizerRequest) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    size = write_tokenizer(folder, wanted)
    assert size == (folder / "tokenizer.json").stat().st_size
    document: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return document


def encode(text: str, document: dict[str, Any]) -> list[int]:
    """Byte-level BPE by its definition: merge the pair of lowest rank until no pair can be merged."""
    vocabulary = document["model"]["vocab"]
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(document["model"]["merges"])}
    alphabet = byte_alphabet()
    parts = [alphabet[byte] for byte in text.encode()]
    while True:
        pairs = [(ranks[pair], at) for at, pair in enumerate(itertools.pairwise(parts)) if pair in ranks]
        if not pairs:
            return [vocabulary[part] for part in parts]
        at = min(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def decode(ids: list[int], document: dict[str, Any]) -> str:
    entry = {index: text for text, index in document["model"]["vocab"].items()}
    byte = {character: number for number, character in enumerate(byte_alphabet())}
    return bytes(byte[character] for index in ids for character in entry[index]).decode()


@given(
    entries=st.integers(400, 20_000),
    cuts=st.floats(0.0, 1.0),
    vowels=st.lists(st.integers(0, 3), min_size=len(CONSONANTS), max_size=len(CONSONANTS)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=25, deadline=None)
def test_ids_are_contiguous_and_every_merge_joins_two_older_entries_into_an_entry(
    entries: int, cuts: float, vowels: list[int], seed: int
):
    least = entries - 16 - 256  # one merge for each entry that is no byte
    pairs = len(CONSONANTS) ** 2  # words of two syllables can be cut once, longer ones at least twice
    merges = least + int(cuts * max(0, least - sum(vowels) - pairs))
    got, joined = vocabulary_and_merges(request(entries, merges, seed=seed), vowels)
    ids = {entry: index for index, entry in enumerate(got)}
    assert len(ids) == len(got) == entries - 16
    assert len(set(joined)) == len(joined) == merges
    products = [ids[left + right] for left, right in joined]
    assert all(ids[left] < made and ids[right] < made for (left, right), made in zip(joined, products, strict=True))
    assert products == sorted(products)
    assert set(products) == set(range(256, len(got)))  # every entry that is no byte can be reached


def test_special_tokens_complete_the_vocabulary_to_exactly_the_asked_number(tmp_path: Path):
    document = written(tmp_path, request(entries=5001, file_bytes=300_000))
    ids = [*document["model"]["vocab"].values(), *(token["id"] for token in document["added_tokens"])]
    assert ids == list(range(5001))
    names = json.loads((tmp_path / "tokenizer_config.json").read_text())
    by_id = {token["id"]: token["content"] for token in document["added_tokens"]}
    assert (names["bos_token"], names["eos_token"]) == (by_id[4985], by_id[4986])
    assert len(set(by_id.values())) == 16


@pytest.mark.parametrize(
    ("entries", "merges", "file_bytes"),
    [(32_000, None, 1_842_767), (4_000, 6_500, 270_000), (20_000, 40_000, 1_300_000), (128_256, 280_147, 9_085_657)],
)
def test_the_file_has_the_asked_size_and_merges(tmp_path: Path, entries: int, merges: int | None, file_bytes: int):
    document = written(tmp_path, request(entries, merges, file_bytes))
    size = (tmp_path / "tokenizer.json").stat().st_size
    assert size == pytest.approx(file_bytes, rel=SIZE_TOLERANCE)
    assert len(document["model"]["merges"]) == (merges or entries - 16 - 256)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return written(tmp_path_factory.mktemp("tokenizer"), request(merges=6_500, file_bytes=270_000))


@given(text=st.text(max_size=60) | st.text(alphabet="bacodu fghijklmne", max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_survives_encoding_and_decoding(tokenizer: dict[str, Any], text: str):
    assert decode(encode(text, tokenizer), tokenizer) == text


def test_some_text_is_encoded_in_fewer_tokens_than_bytes(tokenizer: dict[str, Any]):
    words = [entry for entry in tokenizer["model"]["vocab"] if len(entry) > 4][:50]
    assert len(encode("".join(words), tokenizer)) < 0.5 * sum(map(len, words))


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_bytes(tmp_path: Path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        written(tmp_path / name, request(seed=seed))
    a, b, c = ((tmp_path / name / "tokenizer.json").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (request(file_bytes=100_000), "cannot make a tokenizer.json of 100000 bytes"),
        (request(merges=1_000), "merges, not"),
        (request(merges=50_000), "merges, not"),
        (request(entries=260), "entries too few"),
        (request()._replace(bos_id=1), "begin or end token 1 is not among the special tokens"),
    ],
)
def test_a_tokenizer_that_cannot_be_made_is_refused_and_nothing_is_written(
    tmp_path: Path, wanted: TokenizerRequest, complaint: str
):
    with pytest.raises(ValueError, match=complaint):
        write_tokenizer(tmp_path, wanted)
    assert not list(tmp_path.iterdir())
