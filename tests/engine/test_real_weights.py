"""Real weights in the models folder: preferred, never written to, and refused by name when they are not whole."""

import json
import os
from pathlib import Path

import pytest

from harness.engine import model_files
from harness.errors import HarnessError
from tests.engine.made_models import Store, change


def test_real_weights_are_preferred_and_their_folder_is_never_written_to(store: Store):
    store.place_real_weights()
    before = sorted(os.listdir(store.real))
    files = store.ensure(synthetic=None)
    assert (files.path, files.twin, files.revision) == (store.real, False, None)
    assert sorted(os.listdir(store.real)) == before
    assert store.ensure(synthetic=True).twin


def test_without_real_weights_the_twin_is_used(store: Store):
    assert store.ensure(synthetic=None).twin


def test_the_commit_that_a_hub_download_noted_is_the_revision(store: Store):
    store.place_real_weights()
    note = store.real / ".cache/huggingface/download/config.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text("13afe5124825b4f3751f836b40dafda64c1ed062\netag\n1\n")
    assert store.ensure(synthetic=False).revision == "13afe5124825b4f3751f836b40dafda64c1ed062"


def test_real_weights_are_read_once_and_again_only_when_size_or_time_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    store.place_real_weights()
    first = store.ensure(synthetic=False)
    hashed: list[str] = []
    true_hash = model_files.file_sha256
    monkeypatch.setattr(model_files, "file_sha256", lambda path: hashed.append(path.name) or true_hash(path))
    assert store.ensure(synthetic=False) == first
    assert hashed == []
    os.utime(store.real / "config.json", (1, 1))
    assert store.ensure(synthetic=False) == first
    assert hashed == ["config.json"]
    assert store.ensure(synthetic=False) == first
    assert hashed == ["config.json"]  # the new time was noted


def test_real_weights_that_changed_are_refused_by_name(store: Store):
    store.place_real_weights()
    store.ensure(synthetic=False)
    change(store.real / "model-00002-of-00002.safetensors")
    with pytest.raises(HarnessError, match=r"model-00002-of-00002\.safetensors was changed by hand"):
        store.ensure(synthetic=None)


def spoil_shape(real: Path) -> None:
    config = json.loads((real / "config.json").read_text())
    (real / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 16}))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda real: (real / "config.json").unlink(), "no complete real weights"),
        (lambda real: [shard.unlink() for shard in real.glob("*.safetensors")], "no complete real weights"),
        (lambda real: (real / "model-00002-of-00002.safetensors").unlink(), "the download is incomplete"),
        (lambda real: (real / "model.safetensors.index.json").write_text("{}"), "no index of shards"),
        (lambda real: (real / "config.json").write_text("{"), "damaged"),
        (lambda real: (real / "config.json").write_text("[]"), "damaged"),
        (lambda real: (real / "config.json").write_text("{}"), "damaged"),
        (spoil_shape, "num_hidden_layers is 16, but llama3-3b has 28"),
        (lambda real: (real / "twin.json").touch(), "holds a structural twin"),
    ],
)
def test_incomplete_or_foreign_real_weights_are_refused_and_not_replaced_by_a_twin(store: Store, spoil, complaint):
    store.place_real_weights()
    spoil(store.real)
    with pytest.raises(HarnessError, match=complaint) as caught:
        store.ensure(synthetic=None)
    assert "\n" not in str(caught.value)
    assert not store.twin.exists()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_without_weights_behind_it_is_refused_and_not_replaced_by_a_twin(store: Store, there: bool):
    disk = store.models.parent / "disk"
    store.models.mkdir()
    store.real.symlink_to(disk)
    if there:
        disk.mkdir()
    complaint = "no complete real weights" if there else f"{store.real} is a link to {disk}, which is not there"
    with pytest.raises(HarnessError, match=complaint):
        store.ensure(synthetic=None)
    assert not store.twin.exists()
