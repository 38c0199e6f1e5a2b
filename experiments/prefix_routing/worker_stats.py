"""What a replica's engine says of itself, written down as it happens: requests that it finished, and its load.

Sums of histograms on Ray's metrics port are rebuilt from bucket midpoints (10 % off); these are vLLM's own numbers.

Source: vLLM 0.32.0 ``v1/metrics/stats.py``.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

from vllm.v1.metrics.loggers import StatLoggerBase

SAMPLE_EVERY_S = 0.1
_ANSWERED = ("stop", "length")
# vLLM's id: the kind, the client's id (a word and a number), of a completion the prompt's number, and a random end.
_OWN_ID = re.compile(r"(?:cmpl|chatcmpl)-([a-z]+-[0-9]+)(?:-.*)?")


class ServedLog(StatLoggerBase):
    """Appends to ``served-<replica>.jsonl`` and ``samples-<replica>.jsonl`` in ``folder``."""

    def __init__(self, folder: Path, replica: str) -> None:
        self._served = (folder / f"served-{replica}.jsonl").open("a", encoding="utf-8", buffering=1)
        self._samples = (folder / f"samples-{replica}.jsonl").open("a", encoding="utf-8", buffering=1)
        self._queries = self._hits = 0
        self._sampled_at = 0.0
        self._was_busy = False

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        """After every engine step, and when requests end."""
        now = time.time()
        if scheduler_stats is not None:
            self._sample(scheduler_stats, now)
        if iteration_stats is not None:
            for each in iteration_stats.finished_requests:
                if str(each.finish_reason) not in _ANSWERED:
                    continue  # dropped before it was scheduled: its times are differences to nothing
                self._write(self._served, {"request": own_id(each.request_id), "t": now, **_served(each)})

    def log_engine_initialized(self) -> None:
        """Nothing to say."""

    def _sample(self, stats: Any, now: float) -> None:
        self._queries += stats.prefix_cache_stats.queries
        self._hits += stats.prefix_cache_stats.hits
        busy = bool(stats.num_running_reqs or stats.num_waiting_reqs)
        # The step that empties the engine is always written: until the next one that is its load.
        if now - self._sampled_at >= SAMPLE_EVERY_S or busy != self._was_busy:
            self._sampled_at, self._was_busy = now, busy
            load = {"running": stats.num_running_reqs, "waiting": stats.num_waiting_reqs}
            found = {"kv_usage": stats.kv_cache_usage, "queries": self._queries, "hits": self._hits}
            self._write(self._samples, {"t": now, **load, **found})

    @staticmethod
    def _write(file: Any, said: dict[str, Any]) -> None:
        file.write(json.dumps(said, separators=(",", ":")) + "\n")


def own_id(name: str | None) -> str:
    """The id that the study's client gave a request; of somebody else's, vLLM's."""
    found = _OWN_ID.fullmatch(name or "")
    return found[1] if found else name or "unknown"


def _served(finished: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": finished.num_prompt_tokens,
        "output_tokens": finished.num_generation_tokens,
        "cached_tokens": finished.num_cached_tokens,
        "queued_s": finished.queued_time,
        "prefill_s": finished.prefill_time,
        "decode_s": finished.decode_time,
        "inference_s": finished.inference_time,
        "e2e_s": finished.e2e_latency,
        "preemptions": finished.num_preemptions,
    }
