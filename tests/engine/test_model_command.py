from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.model_command import TOKEN, main


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("form", ["{}", "--token={}", "--dest={}"])
def test_an_argument_that_looks_like_a_token_is_refused_without_being_echoed(
    capsys: pytest.CaptureFixture[str], form: str
):
    token = "hf_" + "AbCdEfGh" * 4
    code, out, err = answer(["--synthetic", "llama3-3b", form.format(token)], capsys)
    assert code == 2
    assert "looks like a hub token" in err
    assert "AbCd" not in out + err
    assert err.count("\n") == 1


@given(st.text(alphabet="abcXYZ0123456789", min_size=1), st.sampled_from(["", "--token=", "HF_TOKEN=", "-t="]))
def test_whatever_follows_hf_underscore_is_taken_for_a_token(secret: str, before: str):
    assert TOKEN.search(f"{before}hf_{secret}")


def test_an_unknown_model_is_one_line_and_exit_2_before_anything_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    dest = tmp_path / "models"
    code, _, err = answer(["--synthetic", "llama3-3b", "llama9", "--dest", str(dest)], capsys)
    assert code == 2
    assert err.startswith("error: unknown model 'llama9'; known, nearest first: ")
    assert err.count("\n") == 1
    assert not dest.exists()


def test_without_weights_it_says_in_one_line_where_to_place_them(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    code, _, err = answer(["llama3-3b", "--dest", str(tmp_path)], capsys)
    assert code == 2
    assert f"no weights of llama3-3b in {tmp_path / 'llama3-3b'}" in err
    assert "hf download meta-llama/Llama-3.2-3B" in err
    assert "--synthetic" in err
    assert err.count("\n") == 1


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    dest = tmp_path / "models"
    code, out, _ = answer(["--synthetic", "llama3-3b", "--dest", str(dest), "--dry-run"], capsys)
    assert code == 0
    assert f"would make a structural twin in {dest / 'llama3-3b-twin'}" in out
    assert not dest.exists()
