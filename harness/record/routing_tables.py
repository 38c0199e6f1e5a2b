"""The tables of the routing figure's slot. What the quantities are: docs/routing.md.

    runs.csv       every run, failed ones too
    requests.csv   what the client saw of each request
    latencies.csv  of each request that gave them: TTFT, TPOT, end to end
    decisions.csv  where the router sent each request, why, and what it knew
    served.csv     what the replica's engine says of each request that it finished
    series.csv     each replica over time
    metrics.csv    one number of one run a row, of the client or of the servers
    simulated.csv  one number of a simulated run a row: the same routers over replicas without a model
    findings.csv   strategies against a baseline, over the repeats that both have: one statistic a row (their names:
                   headroom_tables.py)

``repeat`` is the number of a run of its case: runs of the same repeat send the same requests at the same times. Phase
``warm`` is the same load a second time without a restart. Replicas are numbered in the order of their ids; ``all`` is
their sum or, of a mean, the mean over all their requests. What does not exist has no row.
"""

from harness.record.tables import Table

STUDY = "prefix_routing"
POWER_OF_TWO, PREFIX, ROUND_ROBIN, RANDOM, SESSION, EXACT = (
    "power-of-two",
    "prefix",
    "round-robin",
    "random",
    "session",
    "exact",
)
STRATEGIES = (POWER_OF_TWO, PREFIX, EXACT, SESSION, ROUND_ROBIN, RANDOM)
COLD, WARM = "cold", "warm"  # phases
OK, FAILED, CANCELLED = "ok", "failed", "cancelled"  # of a request; of a run the first two
TTFT, TPOT, E2E = "ttft", "tpot", "e2e"  # latencies
CLIENT, SERVER = "client", "server"  # sides
ALL = "all"  # replicas
NOTHING = "-"  # a text that is not there

_REQUEST = {"case": str, "repeat": int, "phase": str, "request": int}
_COUNTS = dict.fromkeys(("repeat", "request", "conversation", "piece"), 1e15)
_TOKENS = dict.fromkeys(("prompt_tokens", "output_tokens", "cached_tokens"), 1e15)
_VALUE = {"value": 1e18}

RUNS = Table(
    "runs.csv",
    {"case": str, "label": str, "strategy": str, "repeat": int, "status": str, "failed_in": str, "reason": str},
    {},
    {"repeat": 1e15},
)
REQUESTS = Table(
    "requests.csv",
    {
        **_REQUEST,
        "conversation": int,
        "piece": int,
        "status": str,
        "prompt_tokens": int,
        "output_tokens": int,
        "planned_s": float,
        "sent_s": float,
        "ended_s": float,
    },
    {"planned_s": "s since begin", "sent_s": "s since begin", "ended_s": "s since begin"},
    _COUNTS | _TOKENS,
)
LATENCIES = Table("latencies.csv", {**_REQUEST, "metric": str, "seconds": float}, {"seconds": "s"}, _COUNTS)
DECISIONS = Table(
    "decisions.csv",
    {
        **_REQUEST,
        "replica": int,
        "reason": str,
        "matched": int,  # of ``of``, in ``unit``, at the replica that has most, chosen or not; 0 of 0: none are matched
        "of": int,
        "unit": str,
        "own_queue": int,  # requests that the router knew at the chosen replica, at the least and the most loaded one
        "shortest_queue": int,
        "longest_queue": int,
        "waited_s": float,  # from arrival at the router until it was sent on
        "choose_s": float,  # of that, in the strategy
    },
    {"waited_s": "s", "choose_s": "s"},
    _COUNTS | dict.fromkeys(("matched", "of"), 1e15),
)
SERVED = Table(
    "served.csv",
    {
        **_REQUEST,
        "replica": int,
        "prompt_tokens": int,
        "cached_tokens": int,
        "output_tokens": int,
        "queued_s": float,
        "prefill_s": float,
        "decode_s": float,
        "preemptions": int,
    },
    {"queued_s": "s", "prefill_s": "s", "decode_s": "s"},
    _COUNTS | _TOKENS,
)
SERIES = Table(
    "series.csv",
    {
        "case": str,
        "repeat": int,
        "phase": str,
        "replica": int,
        "t_s": float,
        "running": int,
        "waiting": int,
        "kv_usage": float,
        "queries": int,
        "hits": int,
    },
    {"t_s": "s since begin", "kv_usage": "share of the blocks", "queries": "tokens so far", "hits": "tokens so far"},
    {"repeat": 1e15, "kv_usage": 1.0, "queries": 1e15, "hits": 1e15},
)
METRICS = Table(
    "metrics.csv",
    {
        "case": str,
        "label": str,
        "strategy": str,
        "repeat": int,
        "phase": str,
        "side": str,
        "replica": str,
        "metric": str,
        "value": float,
        "unit": str,
    },
    {},
    {"repeat": 1e15} | _VALUE,
)
SIMULATED = Table(
    "simulated.csv",
    {
        "label": str,
        "source": str,  # of the requests: the runs' own load, or mooncake
        "strategy": str,
        "replicas": int,
        "repeat": int,
        "metric": str,
        "value": float,
        "unit": str,
    },
    {},
    {"repeat": 1e15} | _VALUE,
)
FINDINGS = Table(
    "findings.csv",
    {
        "label": str,
        "phase": str,
        "strategy": str,
        "baseline": str,
        "metric": str,
        "statistic": str,
        "value": float,
    },
    {},
    _VALUE,
)
ROUTING_TABLES = (RUNS, REQUESTS, LATENCIES, DECISIONS, SERVED, SERIES, METRICS, SIMULATED, FINDINGS)
