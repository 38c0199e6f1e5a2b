import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.cold_start.worker_twin_tokenizer import TokenizerRequest, special_ids, write_tokenizer
from experiments.cold_start.worker_twin_vocabulary import CONSONANTS, byte_alphabet, vocabulary_and_merges


def request(
    entries: int = 4000, merges: int | None = None, file_bytes: int | None = 240_000, seed: int = 0
) -> TokenizerRequest:
    special = 16
    first = entries - special
    return TokenizerRequest(
        entries, special, merges, file_bytes, (first,), (first + 1,), (), "<|end_of_text|>", 2048, seed
    )


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
    got, joined = vocabulary_and_merges(entries - 16, merges, seed, vowels)
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


@given(
    entries=st.integers(1000, 3000),
    special=st.none() | st.integers(1, 100),
    bos=st.none() | st.integers(0, 999),
    eos=st.lists(st.integers(0, 999), max_size=3),
    pad=st.none() | st.integers(0, 999),
    from_the_end=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_every_id_is_one_entry_wherever_the_special_tokens_are(
    tmp_path_factory: pytest.TempPathFactory,
    entries: int,
    special: int | None,
    bos: int | None,
    eos: list[int],
    pad: int | None,
    from_the_end: bool,
):
    bos_ids, eos_ids, pad_ids = (
        tuple(entries - 1 - i if from_the_end else i for i in ids if i is not None) for ids in ([bos], eos, [pad])
    )
    wanted = request(entries)._replace(
        special_tokens=special, bos_ids=bos_ids, eos_ids=eos_ids, pad_ids=pad_ids, file_bytes=None
    )
    folder = tmp_path_factory.mktemp("tokenizer")
    document = written(folder, wanted)
    vocabulary = document["model"]["vocab"]
    added = {token["content"]: token["id"] for token in document["added_tokens"]}
    together = vocabulary | added
    assert sorted(together.values()) == list(range(entries))
    assert all(vocabulary.get(text, number) == number for text, number in added.items())
    # What is only added comes after the vocabulary and without a gap: that is how its loader numbers it.
    assert sorted(set(vocabulary.values())) == list(range(len(vocabulary)))
    assert sorted(added.values()) == special_ids(wanted)
    assert len(added) == max(special or 0, len({*bos_ids, *eos_ids, *pad_ids}))
    names = json.loads((folder / "tokenizer_config.json").read_text())
    for role, ids in (("bos_token", bos_ids), ("eos_token", eos_ids), ("pad_token", pad_ids)):
        assert [together[names[role]]] == [ids[0]] if ids else role not in names


@pytest.mark.parametrize(
    ("named", "count", "expected"),
    [
        ((1, 2), 3, [0, 1, 2]),  # Llama 2
        ((11,), 12, list(range(12))),  # Falcon
        ((3984, 3985), 16, list(range(3984, 4000))),  # Llama 3
        ((3997,), 3, [3997, 3998, 3999]),  # Qwen
        ((), None, []),
    ],
)
def test_special_tokens_that_the_config_does_not_name_are_at_the_end_where_the_named_ones_are(
    named: tuple[int, ...], count: int | None, expected: list[int]
):
    wanted = request()._replace(special_tokens=count, bos_ids=named[:1], eos_ids=named[1:])
    assert special_ids(wanted) == expected


@pytest.mark.parametrize(
    ("entries", "merges", "file_bytes"),
    [
        (32_000, None, 1_842_767),
        (4_000, 6_500, 270_000),
        (20_000, 40_000, 1_300_000),
        (50_304, None, 2_100_000),
        (20_000, None, 550_000),  # compact: indented, it would have 700,000
    ],
)
def test_the_file_has_the_asked_size_and_merges(tmp_path: Path, entries: int, merges: int | None, file_bytes: int):
    document = written(tmp_path, request(entries, merges, file_bytes))
    size = (tmp_path / "tokenizer.json").stat().st_size
    assert size == pytest.approx(file_bytes, rel=0.03)
    assert len(document["model"]["merges"]) == (merges or entries - 16 - 256)


def test_a_file_of_unknown_size_is_as_large_as_its_entries(tmp_path: Path):
    document = written(tmp_path, request(file_bytes=None))
    assert max(len(entry) for entry in document["model"]["vocab"]) <= 4  # syllables without a vowel


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
        (request(file_bytes=60_000), "cannot make a tokenizer.json of 60000 bytes"),
        (request(merges=1_000), "merges, not"),
        (request(merges=50_000), "merges, not"),
        (request(entries=260), "entries too few"),
        (request()._replace(bos_ids=(4000,)), "special token 4000 is not among the 4000 entries"),
    ],
)
def test_a_tokenizer_that_cannot_be_made_is_refused_and_nothing_is_written(
    tmp_path: Path, wanted: TokenizerRequest, complaint: str
):
    with pytest.raises(ValueError, match=complaint):
        write_tokenizer(tmp_path, wanted)
    assert not list(tmp_path.iterdir())
