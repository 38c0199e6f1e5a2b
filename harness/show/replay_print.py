"""A replay's summary for a terminal: what was shared, then what it cost, then what was replayed."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.record.plain import printable

_LABEL = 22
_BARS = "▁▂▃▄▅▆▇█"
SPARKS = 60  # characters of the line over time


def replay_lines(summary: Mapping[str, Any], over_time: Sequence[float]) -> list[str]:
    """The lines. ``over_time``: blocks in use, of equal stretches of the replay (``analyse.sharing``)."""
    size = summary["parameters"]["block_size"]
    hits, occupancy = summary["block_hits"], summary["occupancy"]
    cache = "without limit" if summary["parameters"]["num_blocks"] is None else f"of {occupancy['cache_blocks']:,}"
    rows = [
        ("requests", f"{summary['requests']:,}"),
        ("blocks allocated", f"{summary['blocks_allocated']:,} (of {size} tokens)"),
        ("blocks reused", f"{summary['blocks_reused']:,}"),
        ("blocks unique", f"{summary['unique_blocks']:,}"),
        ("block reuse rate", _share(summary["block_reuse_rate"])),
        ("sharing fraction", _four(summary["sharing_fraction"])),
        ("block hits", f"{_four(hits)}; {hits['reused_contents']:,} of {summary['unique_blocks']:,} contents reused"),
        ("reuse gap [s]", _four(summary["reuse_gap_s"])),
        ("prefix-hit tokens", _hit_tokens(summary)),
        ("  within a session", _part(summary["within_session"])),
        ("  across sessions", _part(summary["across_sessions"])),
        ("evictions", f"{summary['evictions']:,}"),
        ("preemptions", f"{summary['preemptions']:,}"),
        ("queueing [s]", _numbers(summary["queueing_s"], ("mean", "median", "p99", "max"))),
        ("KV blocks in use", f"mean {_number(occupancy['mean'])}  max {_number(occupancy['max'])}  {cache}"),
        ("  over time", f"{sparkline(over_time)}  0 … {summary['virtual_s']:,.1f} s"),
        *_policy_rows(summary["parameters"]),
        *_model_rows(summary),
        ("trace", _trace(summary["trace"])),
        ("tokenizer", _tokenizer(summary["tokenizer"], summary["trace"]["format"])),
        ("step time", _step_time(summary["step_time"])),
        (
            "engine",
            f"{summary['engine']['pin']}: its scheduler and block manager, {summary['step_loop']} loop, no model",
        ),
        ("replayed in", f"{summary['wall_s']:.1f} s, {_bytes(summary['max_rss_bytes'])} of memory"),
    ]
    return [printable(f"{label:<{_LABEL}}{text}") for label, text in rows]


def sparkline(values: Sequence[float]) -> str:
    """One bar for each value, the tallest for the largest."""
    top = max(values, default=0.0)
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in values)


def _four(numbers: Mapping[str, Any] | None) -> str:
    return "–" if numbers is None else _numbers(numbers, ("mean", "median", "min", "max"))


def _numbers(numbers: Mapping[str, Any], names: Sequence[str]) -> str:
    return "  ".join(f"{name} {_number(numbers[name])}" for name in names)


def _number(value: float | None) -> str:
    """Four digits, whole where they are more; a dash for what does not exist."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _hit_tokens(summary: Mapping[str, Any]) -> str:
    return f"{summary['hit_tokens']:,} of {summary['prompt_tokens']:,} prompt tokens ({_share(summary['hit_ratio'])})"


def _part(part: Mapping[str, Any]) -> str:
    if part["hit_tokens"] is None:
        return "not known: the trace names no sessions"
    gaps = part["reuse_gap_s"]
    median = "" if gaps is None else f", median gap {_number(gaps['median'])} s"
    return f"{part['hit_tokens']:,} tokens, {part['blocks_reused']:,} blocks{median}"


def _policy_rows(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What decided about admissions, where that was not vLLM alone."""
    rows = []
    if policy := parameters["headroom"]:
        given = [f"{name} {value}" for name, value in policy.items() if isinstance(value, int | float | str)]
        rows.append(("head-room", ", ".join(given)))
    if parameters["scheduler_cls"]:
        rows.append(("scheduler", parameters["scheduler_cls"]))
    return rows


def _model_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    model = summary["model"]
    if model is None:
        return []
    block = model["block_bytes"]
    cache = "" if model["cache_bytes"] is None else f", the cache {_bytes(model['cache_bytes'])}"
    most = summary["occupancy"]["max"]
    used = "" if most is None else f", most in use {_bytes(block * most)}"
    assumed = "" if model["assumed"] is None else f"; assumed: {model['assumed']}"
    return [(f"KV of {model['name']}", f"a block {_bytes(block)}{cache}{used}{assumed}")]


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count:.0f} B"


def _trace(trace: Mapping[str, Any]) -> str:
    return f"{trace['file']} ({trace['format']}, {trace['requests']:,} requests, sha256 {trace['sha256'][:12]}…)"


def _tokenizer(tokenizer: Mapping[str, Any] | None, trace_format: str) -> str:
    if tokenizer is not None:
        return str(tokenizer.get("name"))
    if trace_format == "mooncake":
        return "none: the trace holds block hashes, no tokens"
    return "not known: no workload.json beside the trace names it"


def _step_time(model: Mapping[str, float]) -> str:
    base, prefill, decode, context = (
        model[name] for name in ("base_s", "prefill_token_s", "decode_seq_s", "context_token_s")
    )
    return (
        f"assumed, not measured: {1e3 * base:g} ms + {1e6 * prefill:g} µs a prefill token + {1e6 * decode:g} µs a "
        f"decoding sequence + {1e9 * context:g} ns a token of context"
    )
