"""Client, router and engines of a routing run, joined request by request.

Where a request went is what the replica's engine says (``served``), else the router's last "routed" event of it. Why it
went there is the last choice before it was routed that names this replica: its own, or, where the router fulfils its
requests in the order of their arrival (Ray's ``FIFOMixin``), that of another request. A request that failed, was
cancelled or never reached a replica keeps what is known of it.

TTFT = router wait + queue + prefill + rest: the first from the router's clock, the next two from the engine's. What is
left of the client's is network, tokenizer and the way back, and one kind of waiting: vLLM calls a request queued when
its scheduler sees it, which is after the engine step that runs when it arrives.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.record.load_output import ClientRecord
from harness.record.routing_records import Choose, Decision, Done, Routed, Served, event_order
from harness.record.routing_run import RoutingRun
from harness.record.routing_tables import OK


@dataclass(frozen=True)
class Placed:
    """What the router did with a request. ``chosen``: the choice that decided; None: its log does not say.

    ``queues``: requests that the router knew at each replica: what the choice saw; where that was nothing, what it saw
    when it sent the request on, or else what it had itself sent there and not seen end.
    """

    routed: Routed
    chosen: Choose | None
    queues: Mapping[str, int]

    @property
    def is_first_choice(self) -> bool:
        """Whether the replica is of the choice's first rank; else those were full."""
        return self.chosen is None or not self.chosen.ranks or self.routed.replica in self.chosen.ranks[0]


@dataclass(frozen=True)
class Joined:
    """One request. None is what nobody said. ``times_served``: finished requests of its id in the engines' records."""

    client: ClientRecord
    placed: Placed | None
    served: Served | None
    times_served: int

    @property
    def replica(self) -> str | None:
        """The id of the replica that served it, or was to; None if it reached none."""
        if self.served is not None:
            return self.served.replica
        return self.placed.routed.replica if self.placed is not None else None

    @property
    def is_ok(self) -> bool:
        """Whether the client got its answer."""
        return self.client.status == OK

    @property
    def parts_s(self) -> tuple[float, float, float, float] | None:
        """Router wait, queue, prefill and rest of its TTFT; None if it was not followed all the way."""
        if self.placed is None or self.served is None or self.client.ttft_s is None or not self.is_ok:
            return None
        known = (self.placed.routed.waited_s, self.served.queued_s, self.served.prefill_s)
        return (*known, self.client.ttft_s - sum(known))


def join(run: RoutingRun) -> list[Joined]:
    """Every request that the client sent, in the client's order."""
    placed = placements(run.decisions)
    served: dict[str, list[Served]] = defaultdict(list)
    for record in run.served:
        served[record.request].append(record)
    found = []
    for client in run.client:
        records = served.get(client.request_id, [])
        last = records[-1] if records else None
        found.append(Joined(client, placed.get(client.request_id), last, len(records)))
    return found


def placements(decisions: Sequence[Decision]) -> dict[str, Placed]:
    """Request id → what the router did with it the last time that it sent it on. Events may be in any order."""
    own: dict[str, list[Choose]] = defaultdict(list)
    naming: dict[str, Choose] = {}  # replica → last choice that names it
    under_way: dict[str, str] = {}  # internal request id → replica
    found: dict[str, Placed] = {}
    for event in sorted(decisions, key=event_order):
        if isinstance(event, Choose):
            own[event.request].append(event)
            naming |= {replica: event for rank in event.ranks for replica in rank}
        elif isinstance(event, Routed):
            of_it = (each for each in reversed(own[event.request]) if any(event.replica in rank for rank in each.ranks))
            chosen = next(of_it, naming.get(event.replica))
            found[event.request] = Placed(event, chosen, _queues(event, chosen, under_way))
            under_way[event.internal] = event.replica
        elif isinstance(event, Done) and under_way.get(event.internal) == event.replica:
            del under_way[event.internal]  # of a rejected request, which was not routed, nothing
    return found


def _queues(routed: Routed, chosen: Choose | None, under_way: Mapping[str, str]) -> dict[str, int]:
    seen = chosen.queues if chosen is not None else {}
    found = {}
    for replica in sorted({*seen, *routed.queues, routed.replica}):
        told = seen.get(replica)
        told = routed.queues.get(replica) if told is None else told
        found[replica] = sum(each == replica for each in under_way.values()) if told is None else told
    return found


def replica_numbers(run: RoutingRun) -> dict[str, int]:
    """Replica id → number: those of routing.json, then any other that the run's files name, in the order of ids."""
    numbers = {each.replica: each.number for each in run.facts.replicas}
    others = {record.replica for record in run.served} | {record.replica for record in run.samples}
    others |= {event.replica for event in run.decisions if isinstance(event, Routed)}
    others |= {replica for told in run.metrics.values() for side in (told.before, told.after) for replica in side}
    for replica in sorted(others - numbers.keys()):
        numbers[replica] = len(numbers)
    return numbers
