"""A stored routing run → its rows of the slot's tables (``harness/record/routing_tables.py``).

A failed run has its row of runs.csv alone: what part of a load did is not compared. Texts of a router are printed as
they are, but as one line.
"""

from collections.abc import Iterator, Mapping, Sequence

from harness.analyse.load_metrics import client_metrics, tpot_s
from harness.analyse.routing_counters import HITS as HITS_TOTAL
from harness.analyse.routing_counters import PREFIX, QUERIES
from harness.analyse.routing_join import Joined, join, replica_numbers
from harness.analyse.routing_metrics import server_metrics
from harness.record.plain import printable
from harness.record.routing_facts import Phase
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import (
    ALL,
    CLIENT,
    DECISIONS,
    E2E,
    LATENCIES,
    METRICS,
    NOTHING,
    OK,
    REQUESTS,
    RUNS,
    SERIES,
    SERVED,
    SERVER,
    TPOT,
    TTFT,
)
from harness.record.tables import MAX_CELL, Cell

Row = tuple[Cell, ...]
FALLBACK = "; its choice was full"  # behind the reason, where a replica of a later rank took the request


def run_rows(run: RoutingRun) -> dict[str, list[Row]]:
    """Table's name → the run's rows: runs, requests, latencies, decisions, served, series, metrics."""
    facts = run.facts
    told = [facts.status, facts.failed_in or NOTHING, facts.reason or NOTHING]
    found: dict[str, list[Row]] = {
        table.name: [] for table in (REQUESTS, LATENCIES, DECISIONS, SERVED, SERIES, METRICS)
    }
    found[RUNS.name] = [(facts.case, facts.label, facts.strategy, facts.run, *map(_text, told))]
    if facts.status != OK:
        return found
    joined, numbers = join(run), replica_numbers(run)
    for phase in facts.phases:
        of_phase = [each for each in joined if each.client.phase == phase.name]
        for each in of_phase:
            what = (facts.case, facts.run, phase.name, each.client.request)
            found[REQUESTS.name].append((*what, *_request(each)))
            found[LATENCIES.name] += [(*what, metric, seconds) for metric, seconds in _latencies(each)]
            found[DECISIONS.name] += [(*what, *cells) for cells in _decision(each, numbers)]
            found[SERVED.name] += [(*what, *cells) for cells in _served(each, numbers)]
        case = (facts.case, facts.run, phase.name)
        found[SERIES.name] += [(*case, *cells) for cells in _series(run, phase, numbers)]
        named = (facts.case, facts.label, facts.strategy, facts.run, phase.name)
        found[METRICS.name] += [(*named, *cells) for cells in _metrics(run, phase, of_phase)]
    return found


def _request(each: Joined) -> Row:
    """Without an answer that says it, a prompt is as long as its engine says; 0: nobody counted it."""
    client = each.client
    prompt_tokens = client.prompt_tokens
    if prompt_tokens is None:
        prompt_tokens = each.served.prompt_tokens if each.served is not None else 0
    times = (client.planned_s, client.sent_s, client.ended_s)
    return (client.conversation, client.piece, client.status, prompt_tokens, client.output_tokens, *map(float, times))


def _latencies(each: Joined) -> Iterator[tuple[str, float]]:
    if each.is_ok:
        client = each.client
        for metric, seconds in ((TTFT, client.ttft_s), (TPOT, tpot_s(client)), (E2E, client.e2e_s)):
            if seconds is not None:
                yield metric, float(seconds)


def _decision(each: Joined, numbers: Mapping[str, int]) -> Iterator[Row]:
    """One row, if the router's log says where the request went, and by which choice."""
    placed = each.placed
    if placed is None or placed.chosen is None:
        return
    chosen, routed = placed.chosen, placed.routed
    queues = placed.queues
    reason = chosen.reason if placed.is_first_choice else f"{chosen.reason}{FALLBACK}"
    matched, of, unit = 0, 0, NOTHING
    if chosen.matched is not None and chosen.of is not None and chosen.unit is not None:
        matched, of, unit = chosen.matched, chosen.of, chosen.unit
    loads = (queues[routed.replica], min(queues.values()), max(queues.values()))
    seconds = (float(routed.waited_s), float(chosen.seconds))
    yield (numbers[routed.replica], _text(reason), matched, of, unit, *loads, *seconds)


def _served(each: Joined, numbers: Mapping[str, int]) -> Iterator[Row]:
    served = each.served
    if served is not None:
        tokens = (served.prompt_tokens, served.cached_tokens, served.output_tokens)
        seconds = (float(served.queued_s), float(served.prefill_s), float(served.decode_s))
        yield (numbers[served.replica], *tokens, *seconds, served.preemptions)


def _series(run: RoutingRun, phase: Phase, numbers: Mapping[str, int]) -> Iterator[Row]:
    """Samples from the load's begin to the phase's end; looked-up and found tokens since the phase began."""
    begin = phase.sending_at[0]
    before = run.metrics[phase.name].before
    for sample in run.samples:
        if begin <= sample.t <= phase.end_at:
            at_begin = before.get(sample.replica, {})
            tokens = (
                max(0, total - round(at_begin.get(PREFIX + name, 0.0)))
                for total, name in ((sample.queries, QUERIES), (sample.hits, HITS_TOTAL))
            )
            load = (sample.running, sample.waiting, float(sample.kv_usage))
            yield (numbers[sample.replica], sample.t - begin, *load, *tokens)


def _metrics(run: RoutingRun, phase: Phase, joined: Sequence[Joined]) -> Iterator[Row]:
    for metric, (value, unit) in client_metrics([each.client for each in joined], phase.summary).items():
        yield (CLIENT, ALL, metric, float(value), unit)
    for replica, metrics in server_metrics(run, phase, joined).items():
        for metric, (value, unit) in metrics.items():
            yield (SERVER, replica, metric, float(value), unit)


def _text(text: str) -> str:
    return printable(text, MAX_CELL)
