"""Recounts a replay: its counters, requests, gaps, hits and occupancy, from its event log alone.

So the log is complete, and the counts are right. Independent of the replay's own bookkeeping. The log does not say
which tokens of a step were decoded, so of the tokens scheduled only the sum is known. Events and quantities:
docs/prefix-sharing.md.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from harness.record.replay_rows import GapRow, HitRow, OccupancyRow, ReplayError, RequestRow
from tests.recounted_blocks import Blocks, Contents, ImpossibleError
from tests.recounted_occupancy import Levels, occupancy_rows
from tests.recounted_request import RequestSoFar


@dataclass(frozen=True)
class Recounted:
    """What the log says. ``counters``: those of replay.json that it tells, and ``tokens_scheduled``."""

    counters: dict[str, float]
    requests: list[RequestRow]
    gaps: list[GapRow]
    hits: list[HitRow]
    occupancy: list[OccupancyRow]


def recount(events: Iterable[tuple[int, dict[str, Any]]], block_size: int) -> Recounted:
    """Count all events, given with their line numbers (``record.event_log.read_events``), in one pass.

    Raises:
        ReplayError: a line cannot follow those before it, lacks something, or the log has no end; names the line.
    """
    log = _Log(block_size)
    number = 0
    for number, event in events:
        try:
            log.add(event)
        except ImpossibleError as error:
            raise ReplayError(f"line {number}: {error}") from None
        except KeyError as error:
            raise ReplayError(f"line {number}: the {event.get('event')} event has no {error}") from None
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ReplayError(f"line {number}: {error}") from None
    if not log.ended:
        raise ReplayError(f"line {number + 1}: the log has no end")
    return log.recounted()


class _Log:
    def __init__(self, block_size: int) -> None:
        self.ended = False
        self._size = block_size
        self._counts: Counter[str] = Counter()
        self._now = 0.0
        self._blocks, self._contents = Blocks(), Contents()
        self._open: dict[str, RequestSoFar] = {}
        self._in_order: deque[RequestSoFar] = deque()
        self._rows: list[RequestRow] = []
        self._gaps: list[GapRow] = []
        self._waiting = 0
        self._last_out = self._last_in = -1  # transfers to and from the host
        self._in_use_over_time, self._waiting_over_time = Levels(), Levels()
        self._on = {
            "arrive": self._arrive, "admit": self._admit, "hit": self._hit, "alloc": self._alloc, "store": self._store,
            "free": self._free, "preempt": self._preempt, "first_token": self._first_token, "finish": self._finish,
            "swap_in": self._swap_in, "swapped_in": self._swapped_in,
        }  # fmt: skip

    def add(self, event: dict[str, Any]) -> None:
        now, kind = float(event["t"]), event["event"]
        if self.ended or now < self._now:
            raise ImpossibleError("something after the end" if self.ended else f"time goes back from {self._now} s")
        self._now = now
        if kind == "end":
            self._end(event)
        elif kind == "evict":
            self._blocks.evict(event["blocks"], event["contents"])
            self._counts["evictions"] += len(event["blocks"])
        elif kind == "swap_out":
            self._swap_out(event)
        elif kind == "swapped_out":
            self._blocks.release(int(event["transfer"]), event["released"], event["blocks"])
            self._counts["blocks_freed"] += len(event["blocks"])
        elif kind not in self._on:
            raise ImpossibleError(f"no event is called {kind}")
        elif kind == "arrive" or event["request"] in self._open:
            self._on[kind](event, event["request"])
        else:
            raise ImpossibleError(f"{kind} of a request that has not arrived or is gone")
        self._in_use_over_time.change(now, self._blocks.in_use)
        self._waiting_over_time.change(now, self._waiting)

    def _arrive(self, event: dict[str, Any], name: str) -> None:
        if name in self._open:
            raise ImpossibleError("a request arrives that is there")
        if event["arrival_s"] > self._now:
            raise ImpossibleError("a request is there before its arrival")
        self._open[name] = request = RequestSoFar(event)
        self._in_order.append(request)
        self._waiting += 1
        self._counts["requests"] += 1
        self._counts["prompt_tokens"] += event["prompt_tokens"]

    def _hit(self, event: dict[str, Any], name: str) -> None:
        request, blocks, contents = self._open[name], event["blocks"], event["contents"]
        resumed = "admit" in request.first
        if request.state != "waiting" or self._blocks.held(name):
            raise ImpossibleError("a hit of a request that has blocks")
        if event["resumed"] != resumed:
            raise ImpossibleError(f"a hit is said to be {'' if event['resumed'] else 'not '}after a preemption")
        session = request.arrived["session"]
        self._blocks.share(name, blocks, contents)
        request.found = len(blocks)
        if resumed:
            self._contents.use(contents, session, self._now)
            self._counts["blocks_recovered"] += len(blocks)
            return
        reuses = self._contents.reuse(contents, session, self._now)
        self._gaps += [GapRow(gap, inside, len(list(same))) for (gap, inside), same in groupby(reuses)]
        request.hit_blocks, request.within = len(blocks), sum(inside for _, inside in reuses)
        self._counts["blocks_reused"] += len(blocks)
        self._counts["blocks_reused_within_session"] += request.within

    def _alloc(self, event: dict[str, Any], name: str) -> None:
        self._blocks.give(name, event["blocks"])
        self._open[name].allocated += len(event["blocks"])
        self._counts["blocks_allocated"] += len(event["blocks"])

    def _store(self, event: dict[str, Any], name: str) -> None:
        self._blocks.store(name, event["blocks"], event["contents"])
        new = self._contents.store(event["contents"], self._open[name].arrived["session"], self._now)
        self._counts["blocks_stored"] += len(event["blocks"])
        self._counts["unique_blocks"] += new

    def _admit(self, event: dict[str, Any], name: str) -> None:
        request, hit = self._in_state(name, "waiting"), event["hit_tokens"]
        resumed = "admit" in request.first
        if event["resumed"] != resumed or hit != request.found * self._size or not self._blocks.held(name):
            raise ImpossibleError(f"admitted with {hit} tokens, resumed {event['resumed']}, which its blocks deny")
        if request.loading:
            raise ImpossibleError("admitted before its blocks are filled")
        start = hit + request.loaded * self._size
        if resumed:
            self._counts["recomputed_tokens"] += max(0, request.lost - start)
        else:
            request.first["admit"], request.hit_tokens = self._now, hit
            self._counts["hit_tokens"] += hit
            self._counts["hit_tokens_within_session"] += request.within * self._size
        request.state, request.start = "running", start
        self._waiting -= 1

    def _preempt(self, event: dict[str, Any], name: str) -> None:
        request = self._in_state(name, "running")
        if event["blocks"] != self._blocks.held(name):
            raise ImpossibleError(f"preempted with {event['blocks']} blocks, it holds {self._blocks.held(name)}")
        request.state, request.found, request.loaded = "waiting", 0, 0
        request.lost = event["computed_tokens"]
        request.preemptions += 1
        self._waiting += 1
        self._counts["preemptions"] += 1
        self._counts["preempted_blocks"] += event["blocks"]
        self._counts["tokens_scheduled"] += event["computed_tokens"] - request.start

    def _first_token(self, _: dict[str, Any], name: str) -> None:
        if "first_token" in self._in_state(name, "running").first:
            raise ImpossibleError("a second first token")
        self._open[name].first["first_token"] = self._now

    def _finish(self, _: dict[str, Any], name: str) -> None:
        request = self._in_state(name, "running")
        if "first_token" not in request.first:
            raise ImpossibleError("finished without a first token")
        request.state, request.first["finish"] = "finished", self._now
        tokens = request.arrived["prompt_tokens"] + request.arrived["output_tokens"] - 1  # the last is not computed
        self._counts["tokens_scheduled"] += tokens - request.start
        self._counts["finished"] += 1
        self._counts["output_tokens"] += request.arrived["output_tokens"]

    def _free(self, event: dict[str, Any], name: str) -> None:
        request = self._open[name]
        if request.state == "running":
            raise ImpossibleError("a running request lets go of blocks")
        self._blocks.release(name, event["released"], event["blocks"])
        self._counts["blocks_freed"] += len(event["blocks"])
        if self._blocks.held(name):
            raise ImpossibleError(f"it keeps {self._blocks.held(name)} of its blocks")
        if request.state == "finished":
            del self._open[name]
            while self._in_order and self._in_order[0].state == "finished":
                self._rows.append(self._in_order.popleft().row(self._size))

    def _swap_out(self, event: dict[str, Any]) -> None:
        transfer, whose = int(event["transfer"]), event["request"]
        if whose is not None and whose not in self._open:
            raise ImpossibleError("swap_out of a request that has not arrived or is gone")
        self._blocks.hold(transfer, event["blocks"])
        self._counts["blocks_swapped_out"] += len(event["blocks"])
        self._counts["swap_outs"] += transfer != self._last_out
        self._last_out = transfer

    def _swap_in(self, event: dict[str, Any], name: str) -> None:
        request, blocks, transfer = self._in_state(name, "waiting"), event["blocks"], event["transfer"]
        if request.loaded:
            raise ImpossibleError("filled from the host a second time")
        self._blocks.fill(name, blocks)
        request.loaded, request.loading = len(blocks), True
        self._counts["blocks_swapped_in"] += len(blocks)
        self._counts["swapped_in_tokens"] += len(blocks) * self._size
        self._counts["swap_ins"] += transfer != self._last_in
        self._last_in = transfer

    def _swapped_in(self, _: dict[str, Any], name: str) -> None:
        if not self._open[name].loading:
            raise ImpossibleError("filled from the host, while nothing is under way")
        self._open[name].loading = False

    def _in_state(self, name: str, state: str) -> RequestSoFar:
        request = self._open[name]
        if request.state != state:
            raise ImpossibleError(f"it is {request.state}, it should be {state}")
        return request

    def _end(self, event: dict[str, Any]) -> None:
        if self._open:
            raise ImpossibleError(f"the end, while {len(self._open)} requests have not let go of their blocks")
        if self._blocks.in_use:
            raise ImpossibleError(f"the end, while {self._blocks.in_use} blocks are held")
        self.ended = True
        self._counts["steps"] = event["steps"]

    def recounted(self) -> Recounted:
        counts = self._counts
        for kind in ("hit_tokens", "blocks_reused"):
            counts[f"{kind}_across_sessions"] = counts[kind] - counts[f"{kind}_within_session"]
        hits = [HitRow(*each) for each in self._contents.histogram()]
        occupancy = occupancy_rows(self._in_use_over_time, self._waiting_over_time)
        return Recounted({**counts, "virtual_s": self._now}, self._rows, self._gaps, hits, occupancy)
