"""TTFT and TPOT of each request, cut at instants that client and server saw, into parts that add up to them.

    to_server        the client has sent it → its first byte of work in the API server
    tokenise_input   → the engine's request is made (prompt tokenised, parameters checked)
    to_engine        → the engine core has it
    queue            → the first call of the scheduler that schedules it
    prefill_*        → the end of the update that brings its first token; divided by what engine and worker did then
    to_api           → the API server begins to process that output
    detokenise       → it has
    stream_out       → the client has the first token

An instant earlier than the one before it, or later than the first token, is moved there and counted: clocks of two
processes are read, and an output that waited for a slow client is delivered with a later one. TPOT is first token →
last token, divided by what engine and worker did then, ÷ (tokens − 1).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harness.analyse.anatomy_level import Busy, LevelView
from harness.analyse.intervals import Lengths
from harness.analyse.load_metrics import tpot_s
from harness.analyse.stages import DETOKENISE, ENGINE_INPUT, HTTP, INPUT, SCHEDULE, UPDATE
from harness.record.anatomy_tables import TTFT_PARTS
from harness.record.load_output import OK, ClientRecord
from harness.record.serving_trace import API, ENGINE, Span

_ENGINES_ID = re.compile(r"cmpl-(?P<id>[^-]+-[0-9]+)-0(?:-[0-9a-f]{8})?")
_BEFORE_PREFILL = TTFT_PARTS[: TTFT_PARTS.index("queue") + 1]
_AFTER_PREFILL = TTFT_PARTS[TTFT_PARTS.index("to_api") :]


@dataclass(frozen=True)
class Followed:
    """A request that was seen everywhere. Seconds by part; ``tpot`` is empty if it had one token.

    ``clipped``: how many of its instants had to be moved.
    """

    request: int
    ttft: Mapping[str, float]
    tpot: Mapping[str, float]
    clipped: int


@dataclass
class Instants:
    """Instants of one request, ns."""

    http: int | None = None
    made: int | None = None
    at_engine: int | None = None
    scheduled: int | None = None
    first: int | None = None
    output: tuple[int, int] | None = None

    def whole(self) -> list[int] | None:
        """All of them in their order; None if one is missing."""
        found = [self.http, self.made, self.at_engine, self.scheduled, self.first, *(self.output or (None,))]
        return None if None in found else [each for each in found if each is not None]


@dataclass
class _Known:
    """By the client's x-request-id; of each the first time is kept."""

    seen: dict[str, Instants] = field(default_factory=dict)

    def put(self, request: object, name: str, value: object) -> None:
        if isinstance(request, str):
            known = self.seen.setdefault(client_id(request), Instants())
            if getattr(known, name) is None:
                setattr(known, name, value)


def client_id(request: str) -> str:
    """The client's x-request-id of a request that the engine names by its own id: ``cmpl-c8-17-0`` → ``c8-17``."""
    found = _ENGINES_ID.fullmatch(request)
    return found["id"] if found else request


def followed_requests(view: LevelView, busy: Busy) -> tuple[list[Followed], int]:
    """The requests that were answered and seen everywhere, in the client's order, and how many were not seen."""
    answered = [record for record in view.run.clients_of(view.level) if record.status == OK and record.ttft_s]
    instants = _instants(view)
    prefill = {part: Lengths(times) for part, times in busy.prefill(view).items()}
    steps = {part: Lengths(times) for part, times in busy.steps(view).items()}
    found = []
    for record in answered:
        seen = instants.get(record.request_id)
        between = seen.whole() if seen else None
        if between is not None:
            found.append(_followed(view, record, between, prefill, steps))
    return found, len(answered) - len(found)


def _instants(view: LevelView) -> dict[str, Instants]:
    found = _Known()
    for seen in view.of(API):
        for span in seen.spans((HTTP, INPUT, DETOKENISE)):
            stage = seen.stage(span)
            if stage == HTTP:
                found.put(_told(span, "request"), "http", span.begin_ns)
            elif stage == INPUT:
                found.put(_told(span, "request"), "made", span.end_ns)
            for request in _listed(span, "first") if stage == DETOKENISE else ():
                found.put(request, "output", (span.begin_ns, span.end_ns))
    for seen in view.of(ENGINE):
        for span in seen.spans((ENGINE_INPUT, SCHEDULE, UPDATE)):
            stage = seen.stage(span)
            if stage == ENGINE_INPUT:
                found.put(_told(span, "request"), "at_engine", span.end_ns)
            for request in _listed(span, "new") if stage == SCHEDULE else ():
                found.put(request, "scheduled", span.begin_ns)
            for request in _listed(span, "first") if stage == UPDATE else ():
                found.put(request, "first", span.end_ns)
    return found.seen


def _told(span: Span, name: str) -> object:
    return span.told.get(name) if span.told else None


def _listed(span: Span, name: str) -> Sequence[object]:
    listed = _told(span, name)
    return listed if isinstance(listed, list) else ()


def _followed(
    view: LevelView,
    record: ClientRecord,
    between: Sequence[int],
    prefill: Mapping[str, Lengths],
    steps: Mapping[str, Lengths],
) -> Followed:
    sent = view.level.monotonic_ns(record.sent_at)
    ttft_ns = round((record.ttft_s or 0.0) * 1e9)
    cuts, clipped = [sent], 0
    for instant in between:
        at = min(max(instant, cuts[-1]), sent + ttft_ns)
        clipped += at != instant
        cuts.append(at)
    cuts.append(sent + ttft_ns)
    lengths = [end - begin for begin, end in pairwise(cuts)]
    at = len(_BEFORE_PREFILL)
    ttft = dict(zip(_BEFORE_PREFILL, lengths[:at], strict=True))
    ttft |= _laid_over(prefill, cuts[at], cuts[at + 1])
    ttft |= dict(zip(_AFTER_PREFILL, lengths[at + 1 :], strict=True))
    return Followed(record.request, _seconds(ttft), _tpot(record, sent + ttft_ns, steps), clipped)


def _tpot(record: ClientRecord, first: int, steps: Mapping[str, Lengths]) -> dict[str, float]:
    if tpot_s(record) is None or record.e2e_s is None or record.ttft_s is None:
        return {}
    last = first + round((record.e2e_s - record.ttft_s) * 1e9)
    found = _laid_over(steps, first, last)
    return {part: ns * 1e-9 / (record.output_tokens - 1) for part, ns in found.items()}


def _laid_over(parts: Mapping[str, Lengths], begin: int, end: int) -> dict[str, int]:
    """Nanoseconds of each part between both; what is outside of all belongs to the last one."""
    found = {part: lengths.within(begin, end) for part, lengths in parts.items()}
    last = next(reversed(found))
    found[last] += (end - begin) - sum(found.values())
    return found


def _seconds(parts: Mapping[str, int]) -> dict[str, float]:
    return {part: ns * 1e-9 for part, ns in parts.items()}
