"""Twins in the models folder: made once, whole or not at all, and refused by name when they were altered."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine import twin as twin_module
from harness.engine.model_files import combined_sha256
from harness.engine.model_store import ensure_model, scale_to_make
from harness.errors import HarnessError
from tests.engine.made_models import NAME, Store, change


def test_a_twin_is_made_once_and_then_only_verified(store: Store):
    first = store.ensure()
    second = store.ensure()
    assert first == second
    assert (first.path, first.twin, first.revision) == (store.twin, True, None)
    assert store.made == 1
    assert len(store.said) == 1
    assert "making the structural twin" in store.said[0]


def test_a_ready_twin_does_not_ask_for_an_engine(store: Store):
    made = store.ensure()
    again = ensure_model(NAME, lambda: pytest.fail("an engine was asked for"), store.models, synthetic=True)
    assert again == made


def test_twin_json_says_what_was_kept_and_narrowed_and_names_every_file(store: Store):
    files = store.ensure(seed=3)
    manifest = json.loads((files.path / "twin.json").read_text())
    assert manifest["seed"] == 3
    assert manifest["narrowed"]["hidden_size"] == {"original": 3072, "twin": 192}
    assert manifest["kept"]["num_hidden_layers"] == 28
    assert not manifest["kept"].keys() & manifest["narrowed"].keys()
    assert sorted([*manifest["files"], "twin.json"]) == sorted(os.listdir(files.path))


def test_equal_seeds_give_equal_files_whatever_folder_they_are_made_in(store: Store, tmp_path: Path):
    here = store.ensure(seed=1)
    there = ensure_model(NAME, lambda: store.python, tmp_path / "elsewhere", True, 1)
    other = ensure_model(NAME, lambda: store.python, tmp_path / "other", True, 2)
    assert here.files_sha256 == there.files_sha256 != other.files_sha256
    assert (here.path / "twin.json").read_bytes() == (there.path / "twin.json").read_bytes()


def test_another_seed_makes_the_twin_again_and_no_seed_keeps_it(store: Store):
    first = store.ensure(seed=1)
    assert store.ensure(seed=None).files_sha256 == first.files_sha256
    assert store.ensure(seed=2).files_sha256 != first.files_sha256
    assert store.made == 2
    assert "its recipe, seed or scale has changed" in store.said[-1]


def test_an_existing_twin_keeps_its_seed_and_scale_unless_asked_otherwise(store: Store):
    first = store.ensure(seed=3, scale=0.02)
    assert store.ensure() == first
    assert store.ensure(seed=4) != first
    assert store.ensure(scale=0.02).files_sha256 == store.ensure(seed=4, scale=0.02).files_sha256
    assert store.made == 2


def test_the_sizes_of_the_files_are_measured_not_declared(store: Store):
    twin = store.ensure()
    assert (twin.tokenizer_bytes, twin.tensor_bytes, twin.parameters) == (len("tokenizer"), 2, 2)
    store.place_real_weights()
    real = store.ensure(synthetic=None)
    assert (real.tokenizer_bytes, real.tensor_bytes, real.parameters) == (None, 64, 32)
    (store.real / "tokenizer.model").write_bytes(b"12345")
    (store.models / f"{NAME}.snapshot.json").unlink()
    assert store.ensure(synthetic=None).tokenizer_bytes == 5


def test_a_damaged_checkpoint_is_refused_by_name(store: Store):
    store.place_real_weights()
    (store.real / "model-00001-of-00002.safetensors").write_bytes(b"not weights")
    with pytest.raises(HarnessError, match=r"model-00001-of-00002\.safetensors: not a complete safetensors file"):
        store.ensure(synthetic=None)


def test_another_recipe_makes_the_twin_again(store: Store, monkeypatch: pytest.MonkeyPatch):
    store.ensure()
    monkeypatch.setattr(twin_module, "TENSOR_STD", 0.5)
    store.ensure()
    assert store.made == 2


@pytest.mark.parametrize("how", ["message", "killed"])
def test_an_interrupted_making_leaves_no_folder_and_is_redone(store: Store, monkeypatch: pytest.MonkeyPatch, how: str):
    monkeypatch.setenv("FAIL", how)
    with pytest.raises(HarnessError, match=r"making the twin of llama3-3b failed \(exit -?\d+"):
        store.ensure()
    assert not store.twin.exists()
    monkeypatch.delenv("FAIL")
    store.ensure()
    assert [path.name for path in store.models.iterdir() if path.is_dir()] == [store.twin.name]


def test_a_failed_making_keeps_the_twin_that_was_there(store: Store, monkeypatch: pytest.MonkeyPatch):
    first = store.ensure(seed=1)
    monkeypatch.setenv("FAIL", "message")
    with pytest.raises(HarnessError, match="no rule for tensor 'x'"):
        store.ensure(seed=2)
    assert store.ensure().files_sha256 == first.files_sha256


def test_what_a_killed_making_left_is_not_taken_for_a_twin(store: Store):
    leftover = store.models / f".{NAME}-twin.making"
    leftover.mkdir(parents=True)
    (leftover / "merges.txt").write_text("half a tok")
    files = store.ensure()
    assert not leftover.exists()
    assert not (files.path / "merges.txt").exists()


def test_a_twin_folder_without_its_manifest_is_made_again(store: Store):
    first = store.ensure()
    (store.twin / "twin.json").unlink()
    (store.twin / "model.safetensors").write_text("half of the wei")
    assert store.ensure() == first
    assert "interrupted" in store.said[-1]


def test_a_twin_whose_replacement_was_killed_does_not_look_complete(store: Store, monkeypatch: pytest.MonkeyPatch):
    first = store.ensure(seed=1)

    def killed(folder: Path, **_: object) -> None:
        if folder == store.twin:
            (folder / "config.json").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(twin_module.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            store.ensure(seed=2)
    assert store.ensure(seed=1) == first
    assert [path.name for path in store.models.iterdir() if path.is_dir()] == [store.twin.name]


@pytest.mark.parametrize(
    ("seed", "scale", "expected"), [(None, None, None), (1, 0.02, None), (2, None, 0.02), (None, 0.5, 0.5)]
)
def test_what_would_be_made_is_known_before(
    store: Store, seed: int | None, scale: float | None, expected: float | None
):
    assert scale_to_make(NAME, store.models, seed, scale) == (scale or 0.01)
    store.ensure(seed=1, scale=0.02)
    assert scale_to_make(NAME, store.models, seed, scale) == expected
    made = store.made
    store.ensure(seed=seed, scale=scale)
    assert (store.made > made) == (expected is not None)


@pytest.mark.parametrize(
    ("alter", "file", "complaint"),
    [
        (change, "config.json", "was changed by hand"),
        (Path.unlink, "model.safetensors", "is missing"),
        (Path.touch, "more.safetensors", "was added by hand"),
    ],
)
def test_a_twin_altered_by_hand_is_refused_in_one_line_that_names_the_file(store: Store, alter, file, complaint):
    store.ensure()
    alter(store.twin / file)
    with pytest.raises(HarnessError) as caught:
        store.ensure()
    assert f"{store.twin / file} {complaint}" in str(caught.value)
    assert f"delete {store.twin}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert store.made == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": {"config.json": {}}}'])
def test_a_damaged_manifest_is_refused_by_name(store: Store, text: str):
    store.ensure()
    (store.twin / "twin.json").write_text(text)
    with pytest.raises(HarnessError, match=r"twin\.json: not a manifest"):
        store.ensure()


def test_a_models_folder_that_cannot_be_written_is_one_line(store: Store):
    store.models.write_text("a file where the folder should be")
    with pytest.raises(HarnessError, match="cannot be used for models"):
        store.ensure()


hashes = st.dictionaries(st.text(min_size=1, max_size=5), st.sampled_from(["a" * 64, "b" * 64]), min_size=1, max_size=5)


@given(hashes, hashes, st.randoms())
def test_the_combined_hash_tells_names_and_contents_apart_and_ignores_order(first, second, random):
    def combined(files: dict[str, str]) -> str:
        return combined_sha256({name: {"sha256": value} for name, value in files.items()})

    shuffled = list(first.items())
    random.shuffle(shuffled)
    assert combined(dict(shuffled)) == combined(first)
    assert (combined(first) == combined(second)) == (first == second)
