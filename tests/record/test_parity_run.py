"""Comparisons in the store: what is written is read again, and what is damaged is one line that names it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.record.parity_run import (
    ANSWERS,
    FILE,
    PROMPTS,
    REFERENCES,
    ParityRun,
    ParityRunError,
    read_parity_facts,
    read_parity_run,
    write_lines,
)
from tests.parity_runs import FACTS, comparison


def write(folder: Path, run: ParityRun) -> Path:
    run.facts.write(folder)
    write_lines(folder / PROMPTS, list(run.prompts))
    write_lines(folder / ANSWERS, list(run.answers))
    write_lines(folder / REFERENCES, list(run.references))
    return folder


def test_a_comparison_is_read_as_it_was_written(tmp_path: Path):
    run = comparison(prompts=3)
    assert read_parity_run(write(tmp_path, run)) == run
    assert json.loads((tmp_path / FILE).read_text())["schema_version"] == 1
    assert next(iter(json.loads((tmp_path / FILE).read_text()))) == "schema_version"


def test_a_failed_comparison_has_its_facts_alone(tmp_path: Path):
    facts = replace(FACTS, status="failed", failed_in="vllm", reason="out of memory", versions={}, chat=None)
    facts.write(tmp_path)
    assert read_parity_facts(tmp_path) == facts
    with pytest.raises(ParityRunError, match=r"prompts\.jsonl: not readable"):
        read_parity_run(tmp_path)


def _facts(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        document = json.loads((folder / FILE).read_text()) | changed
        (folder / FILE).write_text(json.dumps({key: value for key, value in document.items() if value != "gone"}))

    return change


def _line(name: str, **changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        first, *rest = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([json.dumps(json.loads(first) | changed), *rest]) + "\n")

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_facts(schema_version=2), "schema_version is 2, this harness reads 1"),
        (_facts(chat="gone"), "missing or unknown keys: chat"),
        (_facts(status="perhaps"), "it does not say how it ended"),
        (_facts(reason="but why"), "it does not say how it ended"),
        (_line(PROMPTS, answer=4), "prompts.jsonl, line 1: answer has a value that cannot be"),
        (_line(ANSWERS, more=1), "answers.jsonl, line 1: missing or unknown keys: more"),
        (_line(ANSWERS, tokens=[]), "answer 1: empty"),
        (_line(ANSWERS, tokens=[1] * 12), "answer 1: the chosen token is not the first of the listed ones"),
        (_line(ANSWERS, log_p=[[0.0]]), "answer 1: log_p is not 12 × 3"),
        (_line(REFERENCES, exact=[]), "answer 1: exact is not 12 × 3"),
        (_line(REFERENCES, best=[[1]] * 12), "answer 1: best is not 12 × 2"),
        (_line(REFERENCES, texts=["one"]), "answer 1: it has not two texts"),
        (_line(REFERENCES, log_p=[[float("nan")] * 3] * 12), "references.jsonl: not readable"),
        (lambda folder: (folder / ANSWERS).write_text("[1]\n"), "answers.jsonl, line 1: not an object"),
        (lambda folder: (folder / ANSWERS).write_text("{\n"), "answers.jsonl: not readable"),
        (lambda folder: (folder / ANSWERS).unlink(), "answers.jsonl: not readable"),
        (lambda folder: (folder / PROMPTS).write_text(""), "0 prompts, 2 answers, 2 references"),
    ],
)
def test_what_is_damaged_is_refused_in_a_line_that_names_it(tmp_path: Path, damage: Callable[[Path], None], said: str):
    damage(write(tmp_path, comparison(prompts=2)))
    with pytest.raises(ParityRunError) as refused:
        read_parity_run(tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
