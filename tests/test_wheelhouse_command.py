"""``python3 harness wheelhouse build | join | check`` as people and programs type it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import wheelhouse as cli_wheelhouse
from harness.commands import wheelhouse as wheelhouse_command
from harness.commands.wheelhouse import run_build, run_check, run_join, size_of
from harness.errors import HarnessError
from tests.tiny_wheelhouse import HERE, PLATFORM, TinyIndex


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    found = TinyIndex(tmp_path, monkeypatch)
    monkeypatch.setattr("harness.engine.wheel_download.STEPS.run", found.copying_pip)
    monkeypatch.setattr(wheelhouse_command, "load_build", lambda _: found.pin())
    return found


def build(tiny: TinyIndex, name: str, *, exclude: str = "", split: str | None = None, as_json: bool = False) -> int:
    return run_build(tiny.root / name, "fake", (HERE, PLATFORM), exclude, True, split, as_json)


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    document: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return document


def test_a_build_says_what_it_holds_and_what_was_left_out(tiny: TinyIndex, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(tiny, "house", exclude="tinytorch, tinyc*,absent") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tiny.root}/house: 3 wheels, 0 MB, for engine fake, Python {HERE}, glibc 2.0 or newer",
        "left out by tinytorch: tinytorch==2.0",
        "left out by tinyc*: tinycuda==12.8",
        "left out by absent: nothing, the lock has no such package",
    ]


def test_pieces_are_joined_or_the_missing_ones_named(
    tiny: TinyIndex, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheelhouse_command, "_SMALLEST", 1000)
    assert build(tiny, "pieces", split="1k", as_json=True) == 0
    told = last(capsys)
    assert (told["wheels"], told["pieces"]) == (5, 5)
    (tiny.root / "pieces" / "part-001").rename(tiny.root / "later")
    with pytest.raises(HarnessError, match=r"^4 of 5 pieces are kept, missing: part-001; repeat with the folder"):
        run_join([tiny.root / "pieces"], tiny.root / "house", as_json=True)
    assert "missing: part-001" in str(last(capsys)["error"])
    (tiny.root / "later").rename(tiny.root / "pieces" / "part-001")
    assert run_join([tiny.root / "pieces"], tiny.root / "house", as_json=True) == 0
    assert last(capsys)["wheels"] == 5


def test_a_check_lists_everything_and_exits_with_1_unless_it_fits(
    tiny: TinyIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tiny, "house")
    house = tiny.root / "house"
    assert run_check(house, None, as_json=True) == 0
    assert last(capsys)["fits"] is True
    (house / "tinytool-0.1-py3-none-any.whl").unlink()  # the harness's
    (house / "tinycuda-12.8-py3-none-any.whl").write_bytes(b"")
    (house / "more-1.0-py3-none-any.whl").touch()
    assert run_check(house, None, as_json=True) == 1
    told = last(capsys)
    assert told["missing"] == ["tinytool-0.1-py3-none-any.whl"]
    assert told["damaged"] == ["tinycuda-12.8-py3-none-any.whl"]
    assert told["surplus"] == ["more-1.0-py3-none-any.whl"]
    assert run_check(house, None, as_json=False) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "it does not fit; nothing was installed"
    with pytest.raises(HarnessError, match=r"wheelhouse\.json: cannot be read"):
        run_check(tiny.root, None, as_json=False)


def test_the_python_to_reuse_may_be_named_by_the_environment_as_everywhere(
    tiny: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def check(*arguments: object) -> int:
        asked.append(arguments)
        return 0

    monkeypatch.setattr(wheelhouse_command, "run_check", check)
    monkeypatch.setenv("HARNESS_REUSE_PYTHON", "python3.12")
    done = CliRunner().invoke(cli_wheelhouse.wheelhouse, ["check", str(tiny.root)])
    assert (done.exit_code, asked) == (0, [(tiny.root, Path("python3.12"), False)])


@pytest.mark.parametrize(
    ("text", "size"), [("60M", 60_000_000), ("2G", 2_000_000_000), ("5000k", 5_000_000), ("1MB", 1_000_000)]
)
def test_sizes_are_written_with_a_unit(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["60", "0M", "999k", "-1M", "M", "1.5G", "1T", "9999999M", ""])
def test_a_size_that_cannot_be_meant_is_one_line(text: str) -> None:
    with pytest.raises(HarnessError, match="write a size as 60M or 2G"):
        size_of(text)
