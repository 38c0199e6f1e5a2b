"""Runs of a comparison as files: read as they were written, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.record.comparison_run import ComparisonError, read_comparison
from tests.comparison_runs import record, run, write


def made(folder: Path) -> Path:
    levels = [[record("a"), record("a", request=1)], [record("b", text="ü\ufffd", told=None)]]
    tokens = {"a-c1-0": [1, 2, 3], "a-c1-1": [], "b-c1-0": [7]}
    return write(run(levels, cpu_s=0.25, tokens=tokens, greedy={"a": [[1], []]}, gaps={"c": "down"}), folder / "1")


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read_comparison(made(tmp_path))
    assert found.facts.greedy == {"a": [[1], []]}
    assert [each.text for each in found.records] == ["one two three", "one two three", "ü\ufffd"]
    assert [len(found.of(level)) for level in found.facts.levels] == [2, 1]
    assert [(each.name, each.gap) for each in found.facts.targets] == [("a", None), ("b", None), ("c", "down")]
    assert found.tokens == {"a-c1-0": [1, 2, 3], "a-c1-1": [], "b-c1-0": [7]}


def change(document: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split("/")
    place: Any = document
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema_version", 2, "schema_version is 2, this harness reads 1; it is newer"),
        ("study", "cold_start", "no comparison of engines"),
        ("run", "1", "run has a value that cannot be (got '1')"),
        ("greedy", {"a": [["x"]]}, "greedy has a value that cannot be"),
        ("levels", {}, "levels has a value that cannot be"),
        ("levels/0/target", "z", "a level is of no target"),
        ("levels/0/cpu_s", "1", "levels: cpu_s has a value that cannot be"),
        ("levels/0/client/requests", 5, "2 requests of a/c1, comparison.json says 5"),
        ("targets/0/name", "", "a target has no name"),
        ("targets/0/more", 1, "targets: missing or unknown keys: more"),
        ("targets/0/gap", 1, "targets: gap has a value that cannot be"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(tmp_path: Path, path: str, value: Any, message: str) -> None:
    folder = made(tmp_path)
    document = json.loads((folder / "comparison.json").read_text())
    change(document, path, value)
    (folder / "comparison.json").write_text(json.dumps(document))
    with pytest.raises(ComparisonError) as refused:
        read_comparison(folder)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["comparison.json", "client.jsonl", "tokens.json"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b'{"a": {'])
def test_a_missing_or_broken_file_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = made(tmp_path)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ComparisonError):
        read_comparison(folder)


def test_tokens_that_are_no_ids_are_refused(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "tokens.json").write_text('{"a-c1-0": ["x"]}')
    with pytest.raises(ComparisonError, match="must hold, by request id, token ids"):
        read_comparison(folder)
