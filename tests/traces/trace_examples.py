"""Valid traces for tests, as rows that a test can spoil."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]

TIMES = st.floats(0, 1e6, allow_nan=False) | st.integers(0, 10**6)
FIRST_TIMES = st.floats(0, 86_400) | st.integers(0, 86_400)  # no trace begins later than a day after its zero
TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=40)
NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)


@st.composite
def token_traces(draw: st.DrawFn) -> list[Document]:
    """Rows of a token trace, sorted by arrival."""
    times = sorted([draw(FIRST_TIMES), *draw(st.lists(TIMES, max_size=7))])
    return [
        {
            "request_id": f"r{number}",
            "turn": draw(st.integers(1, 9)),
            "arrival_s": time,
            "prompt_token_ids": draw(TOKENS),
            "output_token_ids": draw(TOKENS),
        }
        | draw(st.sampled_from([{}, {"session_id": None}, {"session_id": "s"}]) | st.builds(_session, NAMES))
        for number, time in enumerate(times)
    ]


def _session(name: str) -> Document:
    return {"session_id": name}


@st.composite
def mooncake_traces(draw: st.DrawFn) -> list[Document]:
    """Rows of a Mooncake trace whose ids are chained: each request goes on from a prefix of an earlier one, or anew."""
    times = sorted(draw(st.lists(st.integers(0, 10**7), min_size=1, max_size=8)))  # ms
    rows: list[Document] = []
    unused = iter(draw(st.permutations(range(200))))
    for time in times:
        earlier = draw(st.sampled_from(rows))["hash_ids"] if rows and draw(st.booleans()) else []
        ids = earlier[: draw(st.integers(0, len(earlier)))]
        ids = ids + [next(unused) for _ in range(draw(st.integers(0 if ids else 1, 6)))]
        length = len(ids) * 512 - draw(st.integers(0, 511))
        rows.append(
            {
                "timestamp": time,
                "input_length": length,
                "output_length": draw(st.integers(1, 900)),
                "hash_ids": ids,
            }
        )
    return rows


def write_rows(path: Path, rows: list[Document]) -> Path:
    """The rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
