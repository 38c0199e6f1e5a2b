"""What the routing figure says of its data: whose, how many, intervals, what failed, and how the routers were set."""

from harness.analyse.routing_series import Labelled, request_counts
from harness.analyse.routing_series_simulated import CLOSE_POINTS, FOLLOWED, MOONCAKE, OWN
from harness.record.routing_tables import ALL, CANCELLED, FAILED, NOTHING, POWER_OF_TWO
from harness.record.study_slot import StudySlot
from harness.show.failed_runs import failed_run_sentences
from harness.show.routing_manifest import accounts, clients, models, parameters, pin, router
from harness.show.study_command import StudySide


def latency_caption(side: StudySide, data: Labelled) -> list[str]:
    """Of the page with what a client sees."""
    return [
        *_whose(side),
        f"{_count(data)}; repeats send the same requests at the same times whatever the strategy.",
        "Curves: the completed requests of all repeats together; thin, of each repeat if there are several. Below: "
        "means over the repeats ± 95 % t interval of the mean (n=1 has none). TTFT: from sending to the first token; "
        "TPOT: (last token − first token) ÷ (output tokens − 1); both as the client sees them.",
        client(side.slot, data.label),
        accounting(side.slot, data.label),
        *_phases(data),
        *_parameters(side.slot, data.label),
        *_failed(data),
    ]


def why_caption(side: StudySide, data: Labelled) -> list[str]:
    """Of the page with what TTFT is made of."""
    return [
        *_whose(side),
        f"{_count(data)}; error bars of real runs: 95 % t interval of the mean (n=1 has none).",
        "Parts of the mean TTFT: router, from arrival until it was sent to a replica; queue and prefill, in the "
        "replica's engine; rest, what the client waited besides (HTTP, tokenizing, streaming). Its error bar is that "
        "of the client's mean TTFT.",
        "Hit rate: prefix-cache hits ÷ queries of all replicas over the phase, in tokens; imbalance: 1 is even, and "
        "one mark is a run.",
        *_hollow(data),
        f"Gain: against the run of {POWER_OF_TWO} with the same requests, over those that both served; small marks are "
        f"repeats, large ones their means. Dashed: the prefill time of so many tokens under {POWER_OF_TWO} (cold): a "
        "mark below it has saved more prefill than its requests waited longer in router and queue.",
        *_phases(data),
        *routers(side.slot, data),
        *_failed(data),
    ]


def time_caption(side: StudySide, data: Labelled, repeat: int) -> list[str]:
    """Of the page with series over time."""
    return [
        *_whose(side),
        f"One run of each strategy (repeat {repeat}, n=1), so no interval; series.csv has every repeat. All "
        "strategies got the same requests at the same times. Samples of each replica's engine, at most ten a second.",
        *_failed(data),
    ]


def simulated_caption(side: StudySide, data: Labelled) -> list[str]:
    """Of the page with simulated runs."""
    seeds = {row["repeat"] for row in data.simulated if row["source"] == MOONCAKE}
    said = [
        *_whose(side),
        "Simulated: the same router classes over vLLM's scheduler and block manager without a model.",
    ]
    if seeds:
        spread = "s, bars: standard deviation" if len(seeds) > 1 else ", so no spread"
        said.append(f"Mooncake: n={len(seeds)} seed{spread}; every replica has a cache of its own.")
    return [
        *said,
        f"Differences: of the means, with their 95 % t interval (of the pairs where the real decisions were followed, "
        f"else of two samples; n=1 has none); {_count(data)}. Grey: ± {CLOSE_POINTS:g} percentage points.",
        *routers(side.slot, data),
        *_failed(data),
    ]


def alarm(data: Labelled) -> str:
    """How many requests of which strategies failed, and runs; empty if none did."""
    said = []
    counts = request_counts(data)
    if failed := sum(each[FAILED] for each in counts.values()):
        which = ", ".join(f"{name} {each[FAILED]:,}" for name, each in counts.items() if each[FAILED])
        sent = sum(each[ALL] for each in counts.values())
        said.append(f"Client errors: {failed:,} of {sent:,} requests failed ({which}).")
    if runs := data.failed_runs:
        which = ", ".join(dict.fromkeys(run["strategy"] for run in runs))
        said.append(f"{len(runs)} run{'s' if len(runs) > 1 else ''} failed and {'are' if len(runs) > 1 else 'is'} "
                    f"not drawn ({which}).")  # fmt: skip
    return " ".join(said)


def routers(slot: StudySlot, data: Labelled) -> list[str]:
    """A sentence with each strategy's router and how it was set."""
    told = {strategy: ", ".join(router(slot, data.label, strategy)) for strategy in data.strategies}
    known = [f"{strategy}: {settings}" for strategy, settings in told.items() if settings]
    return [f"Routers: {'; '.join(known)}."] if known else ["How the routers were set is not recorded."]


def client(slot: StudySlot, label: str) -> str:
    """Whether the client itself could keep up."""
    shares, errors = (clients(slot, label, fact) for fact in ("client_cpu_share", "send_error_p99_s"))
    said = []
    if shares:
        said.append(f"used at most {100 * max(shares):.0f} % of a core")
    if errors:
        said.append(f"sent 99 % of its requests within {1e3 * max(errors):.3g} ms of their time in every run")
    return f"The client {' and '.join(said)}." if said else "How the client did is not recorded."


def accounting(slot: StudySlot, label: str) -> str:
    """Whether every request and token was found again at the servers."""
    counted, exact = accounts(slot, label)
    if not counted:
        return "Whether client and servers agree is not recorded."
    if exact == counted:
        return f"Requests and prompt tokens of client, router and servers agree exactly in all {counted} runs."
    return (
        f"Requests and prompt tokens of client, router and servers agree exactly in {exact} of {counted} runs: "
        "manifest.json says what does not."
    )


def _whose(side: StudySide) -> list[str]:
    place = "on this machine" if side.whose == "mine" else "on another machine"
    said = [f"Measured {place} (slot {side.slot.manifest['slot']}; {side.node}) with {pin(side.slot)}."]
    if others := models(side.slot, twin=False):
        said.append(f"Model: {', '.join(others)}.")
    if twins := models(side.slot, twin=True):
        said.append(f"Structural twin (random weights) of {', '.join(twins)}: its times are not the original's.")
    return said


def _count(data: Labelled) -> str:
    """``n=3 runs a strategy``, and who has fewer."""
    counts = {name: len({run["repeat"] for run in data.runs if run["strategy"] == name} - _lost(data, name))
              for name in data.strategies}  # fmt: skip
    most = max(counts.values(), default=0)
    fewer = ", ".join(f"{name} n={count}" for name, count in counts.items() if count < most)
    return f"n={most} run{'' if most == 1 else 's'} a strategy" + (f" ({fewer})" if fewer else "")


def _lost(data: Labelled, strategy: str) -> set[int]:
    return {run["repeat"] for run in data.failed_runs if run["strategy"] == strategy}


def _phases(data: Labelled) -> list[str]:
    if len(data.phases) < 2:
        return ["Caches were empty at the start (cold)."]
    return ["cold: caches were empty at the start; warm: the same requests again, without a restart."]


def _parameters(slot: StudySlot, label: str) -> list[str]:
    found = parameters(slot, label)
    return [f"Parameters: {', '.join(found)}."] if found else ["The parameters are not recorded."]


def _hollow(data: Labelled) -> list[str]:
    """What simulated marks beside real ones are; nothing where there are none."""
    counts = []
    for source, decisions in ((OWN, "its own"), (FOLLOWED, "the real")):
        if seeds := {row["repeat"] for row in data.simulated if row["source"] == source}:
            counts.append(f"n={len(seeds)} with {decisions} decisions")
    return [f"Hollow: the simulated twin, cold, mean ± standard deviation ({', '.join(counts)})."] if counts else []


def _failed(data: Labelled) -> list[str]:
    """Failed runs with their reason, and cancelled requests."""
    said = failed_run_sentences(data.failed_runs, NOTHING, lambda run: f"Run {run['repeat']} of {run['strategy']}")
    if cancelled := sum(each[CANCELLED] for each in request_counts(data).values()):
        said.append(f"The client cancelled {cancelled:,} requests on purpose.")
    return said
