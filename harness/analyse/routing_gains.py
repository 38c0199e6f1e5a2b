"""What a routing strategy gains over power-of-two, of the requests that both runs of a pair served.

What it saves is the prefill tokens that it did not have to compute, at the seconds of prefill that a computed token
took under the baseline; what it loses is the waiting in router and engine queue that it adds. Requests that share their
engine's steps with more others wait for these in prefill, too: that is in no gain, but in the parts of TTFT.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.record.routing_tables import COLD, DECISIONS, OK, POWER_OF_TWO, RUNS, SERVED, WARM
from harness.record.tables import Cell, cells_of

Tables = Mapping[str, Sequence[tuple[Cell, ...]]]  # a slot's rows, by the table's name


@dataclass(frozen=True, order=True)
class Group:
    """Runs of one phase that differ in their repeat alone."""

    label: str
    phase: str
    strategy: str

    @property
    def baseline(self) -> "Group":
        """Power-of-two with the same requests."""
        return replace(self, strategy=POWER_OF_TWO)


Runs = Mapping[tuple[Cell, Cell, Cell], Group]  # (case, repeat, phase) of an ok run → its group


@dataclass(frozen=True)
class Gain:
    """A run against the baseline's of the same repeat, over the ``requests`` that both served."""

    requests: int
    tokens: tuple[int, int]  # computed in prefill: baseline, strategy
    token_s: float  # seconds of prefill per computed token, of the baseline
    queueing_s: tuple[float, float]  # in router and engine queue: baseline, strategy

    @property
    def lost_s(self) -> float:
        """Seconds of waiting added; negative: less was waited."""
        return self.queueing_s[1] - self.queueing_s[0]


@dataclass(frozen=True)
class _Followed:
    """A request, or several, as router and engine say of them."""

    computed: int = 0
    prefill_s: float = 0.0
    waited_s: float = 0.0


_Requests = Mapping[int, Mapping[int, _Followed]]  # repeat → request → what is known of it


def runs_of(tables: Tables, label: str) -> Runs:
    """The label's ok runs."""
    return {
        (run["case"], run["repeat"], phase): Group(label, phase, run["strategy"])
        for run in cells_of(RUNS, tables[RUNS.name], label=label, status=OK)
        for phase in (COLD, WARM)
    }


def gains(tables: Tables, label: str) -> dict[Group, dict[int, Gain]]:
    """Group → repeat → its gain; of repeats that the baseline has, too, and where something was computed.

    ``tables``: those of runs, served and decisions.
    """
    followed = _followed(tables, runs_of(tables, label))
    found = {}
    for group, mine in followed.items():
        if group.strategy != POWER_OF_TWO:
            found[group] = _gains(followed.get(group.baseline, {}), mine)
    return found


def _gains(base: _Requests, mine: _Requests) -> dict[int, Gain]:
    found = {}
    for repeat in sorted(mine.keys() & base.keys()):
        both = sorted(mine[repeat].keys() & base[repeat].keys())
        without, with_it = (_sum([side[repeat][request] for request in both]) for side in (base, mine))
        if without.computed:
            found[repeat] = Gain(
                requests=len(both),
                tokens=(without.computed, with_it.computed),
                token_s=without.prefill_s / without.computed,
                queueing_s=(without.waited_s, with_it.waited_s),
            )
    return found


def _sum(requests: Sequence[_Followed]) -> _Followed:
    return _Followed(
        sum(each.computed for each in requests),
        sum(each.prefill_s for each in requests),
        sum(each.waited_s for each in requests),
    )


def _followed(tables: Tables, runs: Runs) -> dict[Group, dict[int, dict[int, _Followed]]]:
    """Of the requests of which router and engine both say something."""
    waited = {}
    for row in cells_of(DECISIONS, tables[DECISIONS.name]):
        waited[row["case"], row["repeat"], row["phase"], row["request"]] = row["waited_s"]
    found: dict[Group, dict[int, dict[int, _Followed]]] = defaultdict(lambda: defaultdict(dict))
    for row in cells_of(SERVED, tables[SERVED.name]):
        run = (row["case"], row["repeat"], row["phase"])
        wait = waited.get((*run, row["request"]))
        if wait is not None and run in runs:
            computed = row["prompt_tokens"] - row["cached_tokens"]
            each = _Followed(computed, row["prefill_s"], wait + row["queued_s"])
            found[runs[run]][row["repeat"]][row["request"]] = each
    return found
