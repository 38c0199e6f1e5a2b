"""Engines held against each other: one number of one target at one concurrency in one repeat a row, and their means.

Tokens of an answer are those of its text by one tokenizer, the same for every target; without one, the streamed chunks
that hold text. A server's own count stands beside as a check and is in no other number. A run whose tokenizer failed
has no number of tokens: another way of counting would not be the same number.

    ttft_median_s, ttft_p90_s   sent → first chunk with text, over answered requests
    decode_median               tokens/s of a request after its first chunk: (tokens − 1) / (last − first chunk), over
                                requests of whose chunks at least half came by themselves
    together_share              of all chunks but the first ones: came together with the one before (less than 0.1 ms
                                later). Server, network or a client without a core held them back; then TTFT is that of
                                several tokens, and no decode speed can be told
    throughput                  tokens of answered requests / seconds from the level's begin to its last request's end,
                                answered or not: how long a failed one was waited for is in them
    request_rate                answered requests / the same seconds
    tokens, told_tokens         of all answers: counted, and as the server says (absent if it does not)
    prompt_tokens               of all answered prompts, as the server says: equal for all who tokenise alike
    chunks_per_token            below 1, a server sends several tokens at once, and its gaps are longer than a token's
    cpu_s_per_1000_tokens       CPU seconds of the server's processes, where it was started here
    others_cpu_share            CPU seconds of the other servers meanwhile / seconds: what may have disturbed it
    completed, failed           requests
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from harness.analyse.load_metrics import percentile
from harness.analyse.stats import Bounds, Summary, interval, summarise
from harness.record.comparison_run import ComparisonRun, Level
from harness.record.load_output import OK, ClientRecord

_TOGETHER_S = 1e-4
MOST_TOGETHER = 0.5  # of chunks, for a decode speed to be told
UNITS = {
    "ttft_median_s": "s",
    "ttft_p90_s": "s",
    "decode_median": "tokens/s",
    "together_share": "of chunks",
    "throughput": "tokens/s",
    "request_rate": "requests/s",
    "tokens": "tokens",
    "told_tokens": "tokens",
    "prompt_tokens": "tokens",
    "chunks_per_token": "",
    "cpu_s_per_1000_tokens": "s",
    "others_cpu_share": "of a core",
    "completed": "requests",
    "failed": "requests",
}


@dataclass(frozen=True)
class Row:
    """One number of one target at one concurrency in one repeat."""

    target: str
    concurrency: int
    repeat: int
    metric: str
    value: float

    @property
    def unit(self) -> str:
        """Of the value."""
        return UNITS[self.metric]


def comparison_rows(runs: Sequence[ComparisonRun]) -> list[Row]:
    """The rows of all runs; what does not exist is not there."""
    return [
        Row(level.target, level.concurrency, run.facts.run, metric, value)
        for run in runs
        for level in sorted(run.facts.levels, key=lambda each: (each.concurrency, each.place))
        for metric, value in _level_metrics(run, level)
    ]


def counted_tokens(run: ComparisonRun, record: ClientRecord) -> int:
    """Tokens of an answer, or chunks with text where no tokenizer was named."""
    if run.tokens is not None:
        return len(run.tokens.get(record.request_id, ()))
    return _chunks(record)


def _chunks(record: ClientRecord) -> int:
    return len(record.itl_s) + 1 if record.text else 0


def _level_metrics(run: ComparisonRun, level: Level) -> Iterator[tuple[str, float]]:
    records, summary = run.of(level), level.summary
    answered = [record for record in records if record.status == OK]
    yield "completed", float(len(answered))
    yield "failed", float(summary.failed)
    if level.others_cpu_s is not None and summary.wall_s > 0:
        yield "others_cpu_share", level.others_cpu_s / summary.wall_s
    if not answered:
        return
    first = [record.ttft_s for record in answered if record.ttft_s is not None]
    if first:
        yield "ttft_median_s", median(first)
        yield "ttft_p90_s", percentile(first, 90)
    if late := [gap for record in answered for gap in record.itl_s]:
        yield "together_share", _together(late)
    if summary.wall_s > 0:
        yield "request_rate", len(answered) / summary.wall_s
    if not run.uncounted:
        yield from _token_metrics(run, level, answered)


def _token_metrics(run: ComparisonRun, level: Level, answered: Sequence[ClientRecord]) -> Iterator[tuple[str, float]]:
    counts = {record.request_id: counted_tokens(run, record) for record in answered}
    tokens, wall_s = sum(counts.values()), level.summary.wall_s
    if speeds := [speed for record in answered if (speed := _decode_speed(record, counts[record.request_id]))]:
        yield "decode_median", median(speeds)
    if wall_s > 0:
        yield "throughput", tokens / wall_s
    yield "tokens", float(tokens)
    told = [record for record in answered if record.prompt_tokens is not None]  # then its usage came
    if len(told) == len(answered):
        yield "told_tokens", float(sum(record.output_tokens for record in told))
        yield "prompt_tokens", float(sum(record.prompt_tokens or 0 for record in told))
    if tokens:
        yield "chunks_per_token", sum(map(_chunks, answered)) / tokens
        if level.cpu_s is not None:
            yield "cpu_s_per_1000_tokens", 1000 * level.cpu_s / tokens


def _decode_speed(record: ClientRecord, tokens: int) -> float | None:
    """Tokens/s after the first chunk; None: the answer came in few pieces."""
    if record.ttft_s is None or record.e2e_s is None or tokens < 2 or not record.itl_s:
        return None
    if _together(record.itl_s) > MOST_TOGETHER:
        return None
    seconds = record.e2e_s - record.ttft_s
    return (tokens - 1) / seconds if seconds > 0 else None


def _together(gaps_s: Sequence[float]) -> float:
    return sum(gap < _TOGETHER_S for gap in gaps_s) / len(gaps_s)


@dataclass(frozen=True)
class Point:
    """A metric of a target at a concurrency over the repeats, and against the first target's in the same repeats."""

    summary: Summary
    ratio: float | None  # geometric mean of the repeats' ratios; None: it is the first one, or not both are there
    ratio_interval: Bounds | None


Points = Mapping[tuple[str, int, str], Point]  # target, concurrency, metric


def points(rows: Sequence[Row], names: Sequence[str]) -> Points:
    """Means over repeats with 95 % intervals, and ratios to ``names[0]``, repeat by repeat."""
    values: dict[tuple[str, int, str], dict[int, float]] = {}
    for row in rows:
        values.setdefault((row.target, row.concurrency, row.metric), {})[row.repeat] = row.value
    found = {}
    for (target, concurrency, metric), by_repeat in values.items():
        summary = summarise(by_repeat.values())
        if summary is None:
            continue
        base = values.get((names[0], concurrency, metric), {}) if names and target != names[0] else {}
        ratios = [by_repeat[n] / base[n] for n in sorted(by_repeat.keys() & base.keys()) if base[n] and by_repeat[n]]
        mean = geometric_mean(ratios) if ratios else None
        found[target, concurrency, metric] = Point(summary, mean, interval(ratios, "log"))
    return found


def gaps(runs: Sequence[ComparisonRun]) -> dict[str, str]:
    """Target → why it is not measured, or not to the end, as the first repeat without it says."""
    found: dict[str, str] = {}
    for run in runs:
        for target in run.facts.targets:
            if target.gap is not None:
                found.setdefault(target.name, target.gap)
    return found
