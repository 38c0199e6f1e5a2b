import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_hub import COMMIT, FakeHub, Repository, serving
from hub_models import HUB_ID, NAME, files_of_model, use_hub

from harness.engine import download as download_module
from harness.engine.download import download, downloading_folder, missing_bytes
from harness.engine.hub import commit_of_main, fetch, listing, wanted
from harness.engine.hub_errors import HubUnreachable
from harness.engine.hub_transfer import transfer
from harness.engine.model_store import ensure_model
from harness.engine.pytorch_weights import INDEX
from harness.errors import HarnessError
from harness.spec.models import find_model

SHARD = "model-00002-of-00002.safetensors"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub with one model, asked from this process; waits between tries are left out."""
    with serving(FakeHub(repositories={HUB_ID: Repository(files_of_model())})) as served:
        use_hub(monkeypatch, served.url, tmp_path)
        monkeypatch.setattr(download_module, "transfer", fetch)
        for module in ("huggingface_hub.file_download", "huggingface_hub.utils._http"):
            monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
        yield served


def pytorch_file(sizes: list[int]) -> bytes:
    """What ``torch.save`` writes, with tensors of these bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"a pickle")
        for number, size in enumerate(sizes):
            archive.writestr(f"archive/data/{number}", bytes(size))
        archive.writestr("archive/version", b"3\n")
    return buffer.getvalue()


def get(models: Path) -> Path:
    return download(NAME, find_model(NAME), listing(HUB_ID, None), models)


def no_engine() -> Path:
    raise AssertionError


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("model-00001-of-00002.safetensors", True),
        ("model.safetensors.index.json", True),
        ("tokenizer.model", True),
        ("qwen.tiktoken", True),
        ("modeling_mpt.py", True),
        ("chat_template.jinja", True),
        ("original/model.safetensors", False),
        ("consolidated.safetensors", False),
        ("pytorch_model-00001-of-00002.bin", False),
        ("pytorch_model.bin.index.json", False),
        ("training_args.bin", False),
        ("model.gguf", False),
        ("README.md", False),
    ],
)
def test_only_what_an_engine_reads_is_listed(name: str, needed: bool):
    assert (name in wanted([name, "model.safetensors"])) == needed


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", INDEX])
def test_pytorch_s_format_is_listed_only_where_there_is_no_other(name: str):
    assert wanted([name, "config.json", "training_args.bin", "original/model.safetensors"]) == {name, "config.json"}
    assert wanted([name, "model.safetensors"]) == {"model.safetensors"}


def test_a_model_published_in_pytorch_s_format_is_downloaded_and_measured(hub: FakeHub, tmp_path: Path):
    shards = [f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2)]
    files = {name: data for name, data in files_of_model().items() if "safetensors" not in name}
    files |= {shard: pytorch_file([64, 6]) for shard in shards}
    files[INDEX] = json.dumps({"weight_map": dict(zip("ab", shards, strict=True))}).encode()
    hub.repositories[HUB_ID].files = {name: data for name, data in files.items() if name != shards[1]}
    with pytest.raises(HarnessError, match=f"holds no {shards[1]}, which its index names"):
        get(tmp_path)
    hub.repositories[HUB_ID] = Repository(files, commit="1" * 40)
    get(tmp_path)
    placed = ensure_model(NAME, no_engine, tmp_path, synthetic=None)
    assert (placed.twin, placed.tensor_bytes, placed.parameters) == (False, 140, None)
    (tmp_path / NAME / shards[1]).write_bytes(files[shards[1]][:-30])
    (tmp_path / f"{NAME}.snapshot.json").unlink()
    with pytest.raises(HarnessError, match=r"00002\.bin: not a complete file of PyTorch"):
        ensure_model(NAME, no_engine, tmp_path, synthetic=None)


def test_without_a_revision_the_commit_of_main_is_downloaded_and_recorded(hub: FakeHub, tmp_path: Path):
    assert commit_of_main(HUB_ID) == COMMIT
    folder = get(tmp_path)
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted(wanted(files_of_model()))
    assert not downloading_folder(NAME, tmp_path).exists()
    files = ensure_model(NAME, no_engine, tmp_path, synthetic=None)
    assert (files.twin, files.revision, files.tensor_bytes) == (False, COMMIT, 128)
    assert json.loads((tmp_path / f"{NAME}.snapshot.json").read_text())["files"].keys() == set(hub.names_sent())


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda hub: hub.repositories.clear(), "no such repository, or a private one"),
        (lambda hub: setattr(hub.repositories[HUB_ID], "gated", True), "is gated: ask for access at"),
        (lambda hub: setattr(hub, "status", 401), "does not accept the token"),
        (lambda hub: setattr(hub, "status", 403), "may not read it"),
        (lambda hub: setattr(hub, "status", 429), "too many requests"),
        (lambda hub: setattr(hub, "status", 503), "answers with status 503"),
        (lambda hub: setattr(hub.repositories[HUB_ID], "files", {"model.gguf": b""}), "has neither safetensors nor"),
    ],
)
def test_what_the_hub_refuses_is_one_line_of_our_own_before_anything_is_made(hub: FakeHub, spoil, complaint):
    spoil(hub)
    with pytest.raises(HarnessError, match=complaint) as caught:
        listing(HUB_ID, None)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert hub.sent == []


@pytest.mark.usefixtures("hub")
def test_a_commit_that_the_hub_does_not_have_is_named():
    with pytest.raises(HarnessError, match=f"has no commit {'0' * 40}"):
        listing(HUB_ID, "0" * 40)


@pytest.mark.usefixtures("hub")
def test_a_hub_that_is_switched_off_or_away_is_told_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE is set"):
        listing(HUB_ID, None)
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubUnreachable, match="cannot be reached") as caught:
        listing(HUB_ID, None)
    assert "\n" not in str(caught.value)


def test_the_password_in_a_mirror_s_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://me:s3cret@127.0.0.1:9")
    with pytest.raises(HubUnreachable, match=r"http://127\.0\.0\.1:9 cannot be reached") as caught:
        listing(HUB_ID, None)
    assert "s3cret" not in str(caught.value)


def test_a_connection_that_is_cut_goes_on_where_it_was_cut(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 16)  # what is kept of a cut file
    hub.cut[SHARD] = 1
    get(tmp_path)
    begins = [begin for name, begin in hub.sent if name == SHARD]
    assert len(begins) == 2
    assert begins[1] > 0


def test_a_transfer_that_is_cut_too_often_keeps_what_is_complete_and_the_next_asks_for_the_rest(
    hub: FakeHub, tmp_path: Path
):
    hub.cut[SHARD] = 1000
    hub.repositories[HUB_ID].files[SHARD] += bytes(100_000)  # a cut half is then never the whole
    with pytest.raises(HarnessError, match="repeat"):
        get(tmp_path)
    assert not (tmp_path / NAME).exists()
    listed = listing(HUB_ID, None)
    assert missing_bytes(NAME, listed, tmp_path) < listed.bytes
    hub.cut.clear()
    hub.sent.clear()
    hub.repositories[HUB_ID].files = files_of_model()
    get(tmp_path)
    assert SHARD in hub.names_sent()
    assert "config.json" not in hub.names_sent()
    assert not any(path.suffix == ".incomplete" for path in (tmp_path / NAME).rglob("*"))


@pytest.mark.parametrize("name", [SHARD, "config.json"])
def test_a_file_with_another_hash_is_removed_named_and_fetched_again(hub: FakeHub, tmp_path: Path, name: str):
    hub.damaged.add(name)
    with pytest.raises(HarnessError, match=f"{name} is not what the hub lists") as caught:
        get(tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / NAME).exists()
    hub.damaged.clear()
    hub.sent.clear()
    get(tmp_path)
    assert hub.names_sent() == [name]


def test_another_model_under_the_name_is_refused(hub: FakeHub, tmp_path: Path):
    files = hub.repositories[HUB_ID].files
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"hidden_size": 7}).encode()
    with pytest.raises(HarnessError, match="hidden_size is 7 in its config"):
        get(tmp_path)
    assert not (tmp_path / NAME).exists()


def test_a_repository_without_a_shard_that_its_index_names_is_refused(hub: FakeHub, tmp_path: Path):
    hub.repositories[HUB_ID].files.pop(SHARD)
    with pytest.raises(HarnessError, match=f"holds no {SHARD}, which its index names"):
        get(tmp_path)
    assert not (tmp_path / NAME).exists()


@pytest.mark.usefixtures("hub")
def test_a_model_that_another_process_placed_in_the_meantime_is_left_as_it_is(tmp_path: Path):
    listed = listing(HUB_ID, None)
    folder = get(tmp_path)
    (folder / "tokenizer.json").write_text("theirs")
    assert download(NAME, find_model(NAME), listed, tmp_path) == folder
    assert (folder / "tokenizer.json").read_text() == "theirs"
    assert not downloading_folder(NAME, tmp_path).exists()


@pytest.mark.usefixtures("hub")
def test_what_is_left_of_earlier_weights_does_not_get_into_new_ones(tmp_path: Path):
    (tmp_path / f"{NAME}.snapshot.json").write_text("of earlier weights")
    downloading_folder(NAME, tmp_path).mkdir()
    (downloading_folder(NAME, tmp_path) / "tokenizer.model").write_text("of an earlier commit")
    get(tmp_path)
    assert not (tmp_path / NAME / "tokenizer.model").exists()
    assert not ensure_model(NAME, no_engine, tmp_path, synthetic=False).twin


def test_the_process_of_a_transfer_hands_its_error_on(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    listed = listing(HUB_ID, None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE is set"):
        transfer(listed, tmp_path)
    assert hub.sent == []
