"""Runs of a comparison with known truths, as they would be stored."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.record.atomic import write_json
from harness.record.comparison_run import (
    CLIENT_FILE,
    TOKENS_FILE,
    ComparisonFacts,
    ComparisonRun,
    Level,
    TargetFacts,
    phase_of,
)
from harness.record.load_output import ClientRecord, ClientSummary, write_records


def record(
    target: str = "a",
    concurrency: int = 1,
    request: int = 0,
    *,
    ok: bool = True,
    ttft_s: float = 0.1,
    gaps: Sequence[float] = (0.1, 0.1),
    text: str = "one two three",
    told: int | None = 3,
) -> ClientRecord:
    e2e_s = ttft_s + sum(gaps)
    return ClientRecord(
        request=request,
        request_id=f"{target}-c{concurrency}-{request}",
        conversation=request,
        piece=0,
        status="ok" if ok else "failed",
        http_status=200,
        error=None if ok else "no",
        planned_s=0.0,
        sent_s=0.0,
        ended_s=e2e_s,
        sent_at=1e9,
        prompt_tokens=None if told is None else 7,
        output_tokens=told if told is not None else len(gaps) + 1,
        cached_tokens=None,
        ttft_s=ttft_s if ok else None,
        e2e_s=e2e_s if ok else None,
        itl_s=list(gaps) if ok else [],
        phase=phase_of(target, concurrency),
        text=text if ok else "",
    )


def level(records: Sequence[ClientRecord], wall_s: float = 1.0, cpu_s: float | None = None, place: int = 0) -> Level:
    target, _, concurrency = str(records[0].phase).partition("/c")
    answered = sum(each.status == "ok" for each in records)
    summary = ClientSummary(
        begin_at=1e9,
        wall_s=wall_s,
        cpu_s=0.1,
        send_error_s=None,
        held_back=0,
        requests=len(records),
        completed=answered,
        failed=len(records) - answered,
        cancelled=0,
        parameters={},
    )
    return Level(target, int(concurrency), place, summary.document(), cpu_s, None if cpu_s is None else 0.5)


def run(
    levels: Sequence[Sequence[ClientRecord]],
    number: int = 1,
    wall_s: float = 1.0,
    cpu_s: float | None = None,
    tokens: Mapping[str, Sequence[int]] | None = None,
    greedy: Mapping[str, list[list[int]]] | None = None,
    gaps: Mapping[str, str] | None = None,
) -> ComparisonRun:
    made = [level(records, wall_s, cpu_s, place) for place, records in enumerate(levels)]
    gaps = gaps or {}
    names = dict.fromkeys([*(each.target for each in made), *gaps])
    facts = ComparisonFacts(
        case="engines_a_b-01234567",
        run=number,
        status="failed" if gaps else "ok",
        started_at="2026-11-30T00:00:00Z",
        parameters={},
        tokenizer=None if tokens is None else {"name": "words", "sha256": "0" * 64},
        model={"name": "m", "twin": True, "files_sha256": "0" * 64},
        node={"id": "node-0123456789ab", "cpu_model": "CPU"},
        harness={"version": "0"},
        targets=[TargetFacts(name, "external", "m", None, None, gaps.get(name)) for name in names],
        levels=made,
        greedy=dict(greedy or {}),
    )
    return ComparisonRun(facts, [each for records in levels for each in records], tokens)


def write(made: ComparisonRun, folder: Path) -> Path:
    folder.mkdir(parents=True)
    made.facts.write(folder)
    write_records(folder / CLIENT_FILE, made.records)
    if made.tokens is not None:
        write_json(folder / TOKENS_FILE, made.tokens)
    return folder
