"""A typed command becomes a case: its identity, and what is recorded of an engine that we did not install."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.twin import MANIFEST
from harness.errors import HarnessError
from harness.measure.address import Address
from harness.measure.one_run import Case
from harness.measure.own_case import Wanted, own_case, split_command
from harness.measure.own_facts import listing_sha256, model_facts
from harness.measure.start import ProgramStart, ServerStart
from tests.measure.fake_engine import FakeEngine
from tests.measure.fake_server import serving_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeEngine]:
    with serving_engine(tmp_path_factory.mktemp("engine")) as fake:
        yield fake


@pytest.fixture
def fake(engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    return engine


def case(fake: FakeEngine, command: str, address: Address | None = None, **wanted: object) -> Case:
    return own_case(command.split(), Wanted(environment=fake.engine.folder, **wanted), address)  # type: ignore[arg-type]


SERVE = "vllm serve tiny --port 8001"


def test_the_same_command_is_the_same_case_and_its_record_can_be_read(fake: FakeEngine) -> None:
    first = case(fake, SERVE)
    assert first == case(fake, SERVE)
    assert first.name.startswith("tiny_vllm-1.2.3_serve-")
    assert first.declared["OMP_NUM_THREADS"] == "2"
    assert first.engine_facts["hooks"] == "14 of 14"
    assert first.engine_facts["hook_table"] == "fake"
    assert first.engine_facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert isinstance(first.start, ServerStart)
    assert first.start.arguments[0] == str(fake.engine.folder / "bin" / "vllm")
    assert first.start.address == Address(port=8001)


def test_everything_that_may_change_a_start_makes_another_case(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [case(fake, SERVE).name]
    names.append(case(fake, f"{SERVE} --enforce-eager").name)
    names.append(case(fake, SERVE, uncached=True).name)
    names.append(case(fake, SERVE.replace("tiny", "small")).name)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    names.append(case(fake, SERVE).name)
    server = fake.engine.vllm_dir / "server.py"
    before = server.read_text()
    server.write_text(before + "# changed\n")
    names.append(case(fake, SERVE).name)
    server.write_text(before)
    (tmp_path / "tiny").mkdir()
    names.append(case(fake, SERVE).name)
    (tmp_path / "tiny" / "config.json").write_text("{}")
    names.append(case(fake, SERVE).name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    names.append(case(fake, SERVE).name)
    assert len(set(names)) == len(names)


def test_what_does_not_change_a_start_does_not(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    name = case(fake, f"{SERVE} --api-key sk-0123456789").name
    monkeypatch.setenv("EDITOR", "vi")
    monkeypatch.setenv("VLLM_CACHE_ROOT", "/mine")  # the sandbox's stands in its place
    assert case(fake, f"{SERVE} --api-key sk-9876543210", timeout_s=5.0).name == name
    assert (
        case(fake, f"{SERVE} --api-key sk-0123456789", name="mine").name.rpartition("-")[2] == name.rpartition("-")[2]
    )


def test_a_program_and_a_script_with_an_address_are_told_apart(fake: FakeEngine) -> None:
    program = case(fake, "python serve")
    assert isinstance(program.start, ProgramStart)
    assert (program.definition["mode"], program.label) == ("offline", "unnamed_vllm-1.2.3_offline")
    script = case(fake, "bash start.sh", Address(port=9))
    assert isinstance(script.start, ServerStart)
    assert script.definition["mode"] == "serve"


@pytest.mark.parametrize("eager", ["--enforce-eager", "--enforce_eager"])
def test_an_eager_start_is_noted(fake: FakeEngine, eager: str) -> None:
    assert case(fake, f"{SERVE} {eager}").definition["eager"] is True
    assert case(fake, SERVE).definition["eager"] is False


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("my server", "my-server"),
        ("../../etc", "etc"),
        ("…", "start"),
        ("a" * 300, "a" * 100),
        ("meta/llama", "meta-llama"),
    ],
)
def test_a_name_becomes_a_folders_name(fake: FakeEngine, name: str, folder: str) -> None:
    assert case(fake, SERVE, name=name).name.rpartition("-")[0] == folder


def test_secrets_are_in_the_start_and_nowhere_else(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    found = case(fake, f"{SERVE} --api-key sk-0123456789 --api-key=short")
    assert {"hf_abcdefgh", "sk-0123456789", "short"} <= found.secrets
    assert isinstance(found.start, ServerStart)
    assert "sk-0123456789" in found.start.arguments
    assert found.environment["HF_TOKEN"] == "hf_abcdefgh"
    kept = str((found.name, found.label, found.definition, found.engine_facts, found.model_facts, found.declared))
    assert [secret for secret in ("hf_abcdefgh", "sk-0123456789", "=short") if secret in kept] == []


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), min_size=1))
def test_a_command_in_quotes_is_split_as_a_shell_does(words: list[str]) -> None:
    import shlex

    assert split_command(shlex.join(words)) == words


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("  ", "empty"), ("a 'b", "No closing quotation")])
def test_no_command_and_open_quotes_are_refused_without_repeating_them(text: str, said: str) -> None:
    with pytest.raises(HarnessError, match=rf"^--against: .*{said}$"):
        split_command(text)


# --- what is known of models and engines ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("vllm serve org/model --port 1", "org/model"),
        ("vllm serve --port 1", "unnamed"),
        ("vllm serve", "unnamed"),
        ("python -m vllm.entrypoints.openai.api_server --model org/model", "org/model"),
        ("vllm serve a --model=b", "b"),
        ("python program.py", "unnamed"),
    ],
)
def test_a_model_is_named_by_the_command(command: str, name: str) -> None:
    assert model_facts(command.split())["name"] == name


def test_a_models_folder_is_known_by_name_twin_and_files(tmp_path: Path) -> None:
    folder = tmp_path / "llama"
    folder.mkdir()
    facts = model_facts(["vllm", "serve", str(folder), "--revision", "abc"])
    assert (facts["name"], facts["twin"], facts["revision"]) == ("llama", False, "abc")
    (folder / MANIFEST).write_text("{}")
    assert model_facts(["vllm", "serve", str(folder)])["twin"] is True
    empty = listing_sha256(folder)
    (folder / "dangling").symlink_to("nowhere")
    assert listing_sha256(folder) == empty
    (folder / "model.safetensors").write_bytes(b"1")
    assert listing_sha256(folder) != empty
    assert listing_sha256(None) is None


def test_a_vllm_with_a_dangling_link_is_no_error(fake: FakeEngine) -> None:
    link = fake.engine.vllm_dir / "gone.py"
    link.symlink_to("nowhere")
    try:
        assert case(fake, SERVE).engine_facts["version"] == "1.2.3"
    finally:
        link.unlink()


def test_nothing_of_the_vllm_is_imported_to_know_it(fake: FakeEngine) -> None:
    before = fake.starts()
    init = fake.engine.vllm_dir / "__init__.py"
    text = init.read_text()
    init.write_text("raise SystemExit('imported')\n" + text)
    try:
        done = subprocess.run([fake.engine.python, "-c", "import vllm"], check=False)
        assert done.returncode == 1
        assert case(fake, SERVE).engine_facts["version"] == "1.2.3"
    finally:
        init.write_text(text)
    assert fake.starts() == before
