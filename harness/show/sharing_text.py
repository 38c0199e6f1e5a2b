"""What the prefix-sharing figure says of its data: whose, which dialogues, tokenizer, clock, how many, which spread."""

from typing import Any

from harness.analyse.sharing_series import base_block_size, rows_of
from harness.record.sharing_tables import DATA, MOONCAKE, MULTI, RATIOS, SINGLE
from harness.record.study_slot import StudySlot
from harness.show.study_command import StudySide

_GET_MOONCAKE = (
    "Mooncake's conversation trace was not there, so its three panels are missing: put conversation_trace.jsonl of its "
    "FAST '25 release to traces/mooncake_conversation_trace.jsonl, or name it with --trace."
)


def has_mooncake(slot: StudySlot) -> bool:
    """Whether the slot holds replays of Mooncake's trace."""
    return bool(rows_of(slot, DATA, workload=MOONCAKE))


def block_size_text(slot: StudySlot, workload: str) -> str:
    """Tokens of a block, for an axis."""
    return str(base_block_size(slot, workload) or "?")


def caption(side: StudySide) -> list[str]:
    """Sentences for below the panels."""
    slot = side.slot
    sentences = [_whose(side), _dialogues(slot), _tokenizer(slot), _clock(slot), _spread(slot)]
    sentences.append(_mooncake(slot) if has_mooncake(slot) else _GET_MOONCAKE)
    drawn = "e, f and i" if has_mooncake(slot) else "e and f"
    sentences.append(
        f"Panels a to c, {drawn}: a cache that never runs out. Sharing fraction: reused ÷ prompt blocks at a "
        "request's first admission. Oracle: evicts the block whose next use is furthest away; no bound, as what is "
        "found changes what runs when. Definitions: docs/prefix-sharing.md."
    )
    return sentences


def _whose(side: StudySide) -> str:
    pin = _facts(side.slot, "engine").get("pin")
    place = "on this machine" if side.whose == "mine" else f"on another machine ({side.node})"
    return (
        f"Replayed {place} (slot {side.slot.manifest['slot']}) through the scheduler and block manager of {pin} "
        "on a virtual clock, without a model."
    )


def _dialogues(slot: StudySlot) -> str:
    facts = _facts(slot, "dialogues")
    requests = {kind: _mean_requests(slot, kind) for kind in (SINGLE, MULTI)}
    counts = " and ".join(f"{requests[kind]} {kind}" for kind in requests)
    if facts.get("kind") == "generated":
        what = (
            f"{facts.get('conversations')} generated dialogues with the turns, lengths and shared prefixes of a corpus"
        )
        what += f" ({facts['shape']})" if facts.get("shape") else ""
    else:
        what = f"{facts.get('conversations')} dialogues of {facts.get('file')}"
    return f"Dialogues: {what}; {counts} requests, arrivals Poisson at {facts.get('arrival_rate')} dialogues/s."


def _tokenizer(slot: StudySlot) -> str:
    return f"Tokenizer: {_facts(slot, 'tokenizer').get('name', 'not recorded')}."


def _clock(slot: StudySlot) -> str:
    facts = _facts(slot, "step_time")
    given = [facts.get(name) for name in ("base_s", "prefill_token_s", "decode_seq_s", "context_token_s")]
    numbers = [value for value in given if isinstance(value, int | float)]
    if len(numbers) < len(given):
        return "The step-time model is not recorded."
    base, prefill, decode, context = numbers
    return (
        f"Step time (made up, not calibrated): {base * 1e3:g} ms + {prefill * 1e6:g} µs per prefill token + "
        f"{decode * 1e6:g} µs per decoding request + {context * 1e9:g} ns per token of context."
    )


def _spread(slot: StudySlot) -> str:
    repeats = len({row["repeat"] for row in rows_of(slot, DATA, workload=MULTI)})
    if repeats < 2:
        return "n=1 seed: a replay is exact, so no interval."
    over = "dialogues and arrivals" if _facts(slot, "dialogues").get("kind") == "generated" else "arrivals"
    return (
        f"Dialogues: means over n={repeats} seeds of {over}; bars: 95 % t interval of the mean; shaded: range of the "
        "seeds; panel f: the first seed."
    )


def _mooncake(slot: StudySlot) -> str:
    facts = _facts(slot, "mooncake")
    published = "published: arXiv 2407.00079, table 1" if rows_of(slot, RATIOS) else ""
    return (
        f"Mooncake: {facts.get('file')}, {_mean_requests(slot, MOONCAKE)} requests, n=1 (recorded arrivals, exact); "
        f"{published}, of another, earlier trace; horizontal lines: unlimited."
    )


def _facts(slot: StudySlot, name: str) -> dict[str, Any]:
    """A part of the manifest; empty if it is not there, or no object: a slot comes from anywhere."""
    found = slot.manifest.get(name)
    return found if isinstance(found, dict) else {}


def _mean_requests(slot: StudySlot, workload: str) -> str:
    rows = rows_of(slot, DATA, workload=workload, metric="requests")
    values = {row["repeat"]: row["value"] for row in rows}
    return f"{sum(values.values()) / len(values):,.0f}" if values else "0"
