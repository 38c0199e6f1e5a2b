"""What a replay says about prefix sharing: its summary, its distributions, and two replays next to each other.

Definitions of all quantities: docs/prefix-sharing.md. What does not exist is None, never 0: a replay without a reuse
has no gaps.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.analyse.weighted import Weighted, four_numbers, weighted
from harness.record.replay import Replay

SCHEMA_VERSION = 1

# What two replays are compared in: keys of a summary.
COMPARED = (
    "requests",
    "prompt_tokens",
    "hit_tokens",
    "hit_ratio",
    "blocks_allocated",
    "blocks_reused",
    "unique_blocks",
    "block_reuse_rate",
    "sharing_fraction.mean",
    "sharing_fraction.median",
    "block_hits.mean",
    "block_hits.max",
    "reuse_gap_s.mean",
    "reuse_gap_s.median",
    "within_session.blocks_reused",
    "across_sessions.blocks_reused",
    "evictions",
    "preemptions",
    "queueing_s.mean",
    "occupancy.mean",
)


@dataclass(frozen=True)
class Compared:
    """One metric of two replays. ``ratio`` is second ÷ first; None where one is absent or the first is 0."""

    metric: str
    first: float | None
    second: float | None
    ratio: float | None


def sharing_fractions(replay: Replay) -> Weighted:
    """Of every request: its reused blocks ÷ the blocks of its prompt (0 to 1)."""
    return weighted([row.hit_blocks / row.prompt_blocks for row in replay.requests])


def block_hits(replay: Replay) -> Weighted:
    """Of every content that was ever stored: how many times it was reused."""
    return weighted([row.hits for row in replay.hits], [row.blocks for row in replay.hits])


def reuse_gaps(replay: Replay, within_session: bool | None = None) -> Weighted:
    """Of every reuse: seconds since the content's previous use; only those within or across sessions, if asked."""
    rows = [row for row in replay.gaps if within_session in (None, row.within_session)]
    return weighted([row.gap_s for row in rows], [row.blocks for row in rows])


def queueing(replay: Replay) -> Weighted:
    """Of every request: seconds from its arrival until it was first scheduled."""
    return weighted([row.scheduled_s - row.arrival_s for row in replay.requests])


def summary(replay: Replay) -> dict[str, Any]:
    """The document that ``replay --json`` prints. Counts are whole numbers, times seconds, shares 0 to 1."""
    facts, counters = replay.facts, replay.facts.counters
    taken = counters.blocks_reused + counters.blocks_allocated
    hits, waits, gaps = block_hits(replay), queueing(replay), four_numbers(reuse_gaps(replay))
    parameters = asdict(facts.parameters)
    return {
        "schema_version": SCHEMA_VERSION,
        "requests": counters.finished,
        "prompt_tokens": counters.prompt_tokens,
        "output_tokens": counters.output_tokens,
        "hit_tokens": counters.hit_tokens,
        "hit_ratio": _ratio(counters.hit_tokens, counters.prompt_tokens),
        "blocks_allocated": counters.blocks_allocated,
        "blocks_reused": counters.blocks_reused,
        "unique_blocks": counters.unique_blocks,
        "block_reuse_rate": _ratio(counters.blocks_reused, taken),
        "sharing_fraction": four_numbers(sharing_fractions(replay)),
        "block_hits": {
            **four_numbers(hits),
            "reused_contents": sum(row.blocks for row in replay.hits if row.hits),
            "total": sum(row.hits * row.blocks for row in replay.hits),
        },
        "reuse_gap_s": gaps if gaps["mean"] is not None else None,
        "within_session": _part(replay, within_session=True),
        "across_sessions": _part(replay, within_session=False),
        "blocks_recovered": counters.blocks_recovered,
        "evictions": counters.evictions,
        "preemptions": counters.preemptions,
        "queueing_s": {
            "mean": waits.mean,
            "median": waits.quantile(0.5),
            "p99": waits.quantile(0.99),
            "max": waits.quantile(1.0),
        },
        "occupancy": {
            "mean": mean_occupancy(replay),
            "max": max((row.max_blocks_in_use for row in replay.occupancy), default=None),
            "cache_blocks": counters.cache_blocks,
        },
        "virtual_s": counters.virtual_s,
        "wall_s": counters.wall_s,
        "max_rss_bytes": counters.max_rss_bytes,
        "parameters": {name: value for name, value in parameters.items() if name not in ("step_time", "loop")},
        "trace": facts.trace,
        "tokenizer": facts.tokenizer,
        "model": facts.model,
        "engine": facts.engine,
        "step_time": parameters["step_time"],
        "step_loop": facts.parameters.loop,
    }


def mean_occupancy(replay: Replay) -> float | None:
    """Blocks in use, averaged over virtual time; None of a replay that took none."""
    rows = [row for row in replay.occupancy if row.end_s > row.begin_s]
    length = math.fsum(row.end_s - row.begin_s for row in rows)
    total = math.fsum(row.mean_blocks_in_use * (row.end_s - row.begin_s) for row in rows)
    return total / length if length else None


def occupancy_over_time(replay: Replay, parts: int) -> list[float]:
    """Blocks in use, averaged over each of ``parts`` equal stretches of the replay; empty of one that took no time."""
    ends = np.asarray([0.0, *(row.end_s for row in replay.occupancy)])
    areas = [row.mean_blocks_in_use * (row.end_s - row.begin_s) for row in replay.occupancy]
    if ends[-1] <= 0:
        return []
    edges = np.linspace(0.0, ends[-1], parts + 1)
    area_until = np.interp(edges, ends, np.cumsum([0.0, *areas]))
    return [float(area) for area in np.diff(area_until) / np.diff(edges)]


def metrics(document: Mapping[str, Any]) -> dict[str, float | None]:
    """What a summary says of each of ``COMPARED``, in that order."""
    return {metric: _value(document, metric) for metric in COMPARED}


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Compared]:
    """Two summaries metric by metric, for example single-turn and multi-turn."""
    pairs = zip(COMPARED, metrics(first).values(), metrics(second).values(), strict=True)
    return [Compared(metric, a, b, None if a is None or b is None else _ratio(b, a)) for metric, a, b in pairs]


def _value(document: Any, metric: str) -> float | None:
    for key in metric.split("."):
        document = None if document is None else document[key]
    return None if document is None else float(document)


def _part(replay: Replay, within_session: bool) -> dict[str, Any]:
    """Reuses within or across sessions; all None where the trace names no session: who knows whose they are?"""
    if all(row.session_id is None for row in replay.requests):
        return dict.fromkeys(("hit_tokens", "blocks_reused", "reuse_gap_s"))
    counters, sample = replay.facts.counters, reuse_gaps(replay, within_session)
    tokens = (counters.hit_tokens_across_sessions, counters.hit_tokens_within_session)
    blocks = (counters.blocks_reused_across_sessions, counters.blocks_reused_within_session)
    gaps = four_numbers(sample) if sample.n else None
    return {"hit_tokens": tokens[within_session], "blocks_reused": blocks[within_session], "reuse_gap_s": gaps}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
