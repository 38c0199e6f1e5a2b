"""Secrets of a command line and its environment: found by the names they are given under, and nowhere left."""

import json
import os
import stat
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record import secrets as module
from harness.record.secret_names import is_worth_hiding
from harness.record.secrets import MASK, redact_file, redacted, redacted_arguments, secret_values

same_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Characters that mean something to regular expressions, JSON, URLs and shells; and some beyond ASCII.
VALUES = st.text(string.ascii_letters + string.digits + "+/=_-.$^*?()[]\\\"' üΩ", min_size=8, max_size=24).filter(
    lambda value: not value.startswith("-") and is_worth_hiding(value) and not value.isdecimal() and MASK not in value
)


@pytest.mark.parametrize(
    ("command", "secrets"),
    [
        ("vllm serve M --api-key K1-abc", {"K1-abc"}),
        ("vllm serve M --api-key=K1-abc --port 8000", {"K1-abc"}),
        ("vllm serve M --api_key K1-abc K2-abc --port 8000", {"K1-abc", "K2-abc"}),
        ("vllm serve --hf-token hf_abc M", {"hf_abc"}),
        ("vllm serve M --s3-secret-access-key s3-abc --s3-access-key-id id-abc", {"s3-abc", "id-abc"}),
        ("env HF_TOKEN=hf_abc vllm serve M", {"hf_abc"}),
        ("run --url https://bob:pass%40word@host:8000/x", {"pass%40word", "pass@word"}),
        ("run --password correct --credentials c1-x c2-x -- other", {"correct", "c1-x", "c2-x"}),
        ('run --extra={"aws":{"secretKey":"s-abc","region":"eu"}}', {"s-abc"}),
        ("vllm serve M --max-num-batched-tokens 2048 --tokenizer other/tokenizer", set()),
        ("vllm serve M --ssl-keyfile /etc/key.pem --long-prefill-token-threshold 2048", set()),
        ("vllm serve --return-tokens-as-token-ids M", set()),
        ("vllm serve M --api-key abc --hf-token --port 12345678", set()),  # too short, or a flag
        ("vllm serve M --api-key EMPTY --hf-token True", set()),
        ("run --pin-password 1234567", set()),
    ],
)
def test_what_a_command_line_gives_under_a_secrets_name_is_a_secret(command: str, secrets: set[str]) -> None:
    assert secret_values(command.split(" "), {}) == secrets


@pytest.mark.parametrize(
    ("command", "secrets"),
    [
        (["bash", "-c", "vllm serve m --api-key sekret1234 --port 8000"], {"sekret1234"}),
        (["bash", "-lc", "HF_TOKEN=hf-1234; vllm serve m --api-key 'y 1234'"], {"hf-1234;", "hf-1234", "y 1234"}),
        (["env", "MY_PASSWORD=correct horse", "vllm"], {"correct horse"}),
        (["ssh", "host", "HF_TOKEN=x-1234 vllm --api-key y-1234"], {"x-1234 vllm --api-key y-1234", "y-1234"}),
        (["run", "--more=--api-key k-1234 --port 8000"], {"k-1234"}),
        (["python", "-c", "LLM('m', hf_token='hf-1234')"], {"hf-1234)", "hf-1234"}),
        (["run", "--header", "Authorization: Bearer b-1234"], {"b-1234"}),
        (["run", "--header=X-Api-Key: x-1234"], {"x-1234"}),
        (["bash", "-c", "curl -H 'Authorization: Bearer b-1234' http://localhost"], {"b-1234"}),
        (["run", '--headers={"Authorization": "Bearer b-1234"}'], {"b-1234"}),
        (["git", "clone", "https://t-1234@host/x"], {"t-1234"}),
        (["ssh", "ssh://someone@host/x"], set()),
        (["run", "--api-key", "-k-1234567", "--port", "8000"], {"-k-1234567"}),
        (["run", "--note", "it's said that \"quotes end"], set()),
    ],
)
def test_secrets_are_found_in_commands_headers_and_urls_too(command: list[str], secrets: set[str]) -> None:
    assert secret_values(command, {}) == secrets
    shown = " ".join(redacted_arguments(command))
    assert not any(secret in shown for secret in secrets)
    assert (MASK in shown) == bool(secrets)


def test_of_a_shells_command_only_the_secrets_are_hidden() -> None:
    command = ["bash", "-c", "HF_TOKEN=hf-1234 vllm serve m --api-key y-1234"]
    assert redacted_arguments(command)[2] == f"HF_TOKEN={MASK} vllm serve m --api-key {MASK}"


def test_variables_are_secrets_by_their_name_and_urls_by_their_password() -> None:
    environment = {
        "VLLM_API_KEY": "k-abc",
        "HF_TOKEN": "hf_abc",
        "HF_TOKEN_PATH": "/home/x/token",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE": "163840",
        "https_proxy": "http://user:proxy-word@host:3128",
        "KEYBOARD": "german",
        "PWD": "/home/x/project",
    }
    assert secret_values([], environment) == {"k-abc", "hf_abc", "proxy-word"}


def test_arguments_are_shown_with_a_mask_in_the_place_of_a_secret_however_short() -> None:
    command = ["vllm", "serve", "M", "--api-key", "abc", "vllm", "--hf-token=t", "--url", "ftp://u:p@h/p", "X_KEY=1"]
    shown = ["vllm", "serve", "M", "--api-key", MASK, MASK, f"--hf-token={MASK}", "--url", f"ftp://u:{MASK}@h/p"]
    assert redacted_arguments(command) == [*shown, f"X_KEY={MASK}"]
    header = ["run", "--header=Authorization: Bearer K-1234", "--api-key", "K-1234"]
    assert redacted_arguments(header) == ["run", f"--header=Authorization: Bearer {MASK}", "--api-key", MASK]


@given(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from(["--api-key", "--api_key", "--my.credentials"]))
def test_no_secret_is_left_in_arguments(values: list[str], option: str) -> None:
    for command in (["run", option, *values, "--port", "1"], ["run", *(f"{option}={value}" for value in values)]):
        shown = redacted_arguments([*command, "--note", "about " + " and ".join(values)])
        assert not any(value in argument for value in values for argument in shown)
        assert shown[0] == "run"


@given(st.lists(VALUES, min_size=1, max_size=3), st.data())
def test_no_secret_is_left_in_text_whether_plain_or_written_as_json(values: list[str], data: st.DataObject) -> None:
    said = data.draw(st.lists(st.sampled_from(values), max_size=6))
    for text in (" | ".join(said), json.dumps(said), json.dumps(said, ensure_ascii=False)):
        clean = redacted(text, values)
        for value in values:
            assert value not in clean
            assert json.dumps(value)[1:-1] not in clean


def test_a_secret_that_contains_another_leaves_no_rest() -> None:
    assert redacted("abcd-efgh abcd", ["abcd", "abcd-efgh"]) == f"{MASK} {MASK}"


@given(st.text(max_size=40))
def test_without_secrets_nothing_is_changed(text: str) -> None:
    assert redacted(text, []) == text


@same_folder
@given(
    pieces=st.lists(st.binary(max_size=12) | st.sampled_from([b"abcd", b"abcdef", b"Pa$$-w\xc3\xb6rd", b"ab", b"\n"])),
    chunk=st.integers(1, 9),
)
def test_a_file_is_redacted_as_if_it_were_read_at_once(tmp_path: Path, pieces: list[bytes], chunk: int) -> None:
    secrets = ["abcd", "abcdef", "Pa$$-wörd"]
    path = tmp_path / "engine.log"
    content = b"".join(pieces)
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        changed = redact_file(path, secrets)
    expected = redacted(content.decode("latin-1"), ["abcd", "abcdef", "Pa$$-w\u00c3\u00b6rd"]).encode("latin-1")
    assert path.read_bytes() == expected
    assert changed == (expected != content)
    assert [entry.name for entry in tmp_path.iterdir()] == ["engine.log"]


def test_a_file_without_a_secret_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"nothing here")
    before = path.stat()
    assert not redact_file(path, {"abcd"})
    assert not redact_file(path, frozenset())
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_redacted_file_keeps_its_mode_and_a_failure_leaves_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"key=abcd")
    path.chmod(0o640)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            redact_file(path, {"abcd"})
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("engine.log", b"key=abcd")]
    assert redact_file(path, {"abcd"})
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"key=***", 0o640)


def test_a_secret_that_is_not_utf_8_is_found_as_the_bytes_it_is(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"key=pass\xe9word")
    assert redact_file(path, {os.fsdecode(b"pass\xe9word")})
    assert path.read_bytes() == b"key=***"
