"""The tables of the anatomy figure's slot that its serving runs fill. What the quantities are: docs/anatomy.md.

    runs.csv       every run, failed ones too
    levels.csv     each load level: throughput, latencies, steps, what could not be followed
    shares.csv     where the time goes, by two definitions (cpu, wall), part and stage
    processes.csv  each process: CPU, spin, how much is attributed to spans, what tracing added
    requests.csv   TTFT and TPOT of each request that was followed all the way, in parts that add up to it
    timeline.csv   spans of a few consecutive steps of one run
    findings.csv   over the repeats: mean, half width of the 95 % interval, spread (largest − smallest), n
    claim.csv      the sentence "API server 33 %, scheduling 29 %, GPU execution 38 %", judged

``repeat`` is the number of a run of its case. What does not exist has no row.
"""

from harness.record.feature_tables import FEATURE_TABLES
from harness.record.tables import Table

STUDY = "engine_anatomy"
OK, FAILED = "ok", "failed"  # of a run
CPU, CUDA = "cpu", "cuda"  # devices
NOTHING = "-"  # a text that is not there

# Definitions of shares.csv, and their parts in the order of drawing. Of ``cpu``: CPU seconds without spin; of ``wall``:
# the wall clock by exclusive cover, the first part that an instant has wins.
BY_CPU, BY_WALL = "cpu", "wall"
EXECUTION, SCHEDULING, API_SERVER = "execution", "scheduling", "api"
WORKER_HOST, SCHEDULE_UPDATE, ENGINE_REST, NONE = "worker_host", "schedule_update", "engine_rest", "none"
CPU_PARTS = (API_SERVER, SCHEDULING, EXECUTION)
WALL_PARTS = (EXECUTION, WORKER_HOST, SCHEDULE_UPDATE, API_SERVER, ENGINE_REST, NONE)
ALL = "all"  # stages of a part together

# Stages of shares.csv that no hook has: CPU of a process's main thread that no span covers, and of its threads without
# spans. The API server's uncovered main-thread CPU is the stage ``event_loop``.
API_THREADS, ENGINE_UNCOVERED, ENGINE_THREADS = "api_threads", "engine_uncovered", "engine_threads"
WORKER_UNCOVERED, WORKER_THREADS = "worker_uncovered", "worker_threads"

# requests.csv: parts of TTFT in the order of time, and of TPOT.
TTFT, TPOT = "ttft", "tpot"
PREFILL = "prefill_"  # in front of the parts between the first step that has a request and its first token
PREFILL_PARTS = tuple(PREFILL + part for part in ("execute", "sample", "prepare", "schedule", "update", "other"))
TTFT_PARTS = (
    "to_server",
    "tokenise_input",
    "to_engine",
    "queue",
    *PREFILL_PARTS,
    "to_api",
    "detokenise",
    "stream_out",
)
OUTSIDE = "outside_steps"
TPOT_PARTS = (EXECUTION, WORKER_HOST, SCHEDULE_UPDATE, ENGINE_REST, OUTSIDE)

# Statistics of findings.csv.
MEAN, HALF_WIDTH, SPREAD, N = "mean", "half width", "spread", "n"

# Metrics of processes.csv.
CPU_S, SPIN_S, TRACING_S, EVENTS = "cpu_s", "spin_s", "tracing_s", "events"
ATTRIBUTED, ATTRIBUTED_WITHOUT_SPIN = "attributed", "attributed_without_spin"
EVENT_LOOP_SHARE, WALL_COVERED = "event_loop", "wall_covered"
ADDED, ADDED_WITHOUT_SPIN, ADDED_IN_SAMPLES = "added", "added_without_spin", "added_in_samples"
SPIN_SHARE, RUN_QUEUE_S = "spin_share", "run_queue_s"

_AT = {"case": str, "repeat": int, "concurrency": int}
_COUNTS = dict.fromkeys(("repeat", "concurrency", "request", "n"), 1e15)
_VALUE = {"value": 1e18}

RUNS = Table(
    "runs.csv",
    {
        "case": str,
        "repeat": int,
        "status": str,
        "failed_in": str,
        "reason": str,
        "device": str,
        "model": str,
        "weights": str,  # twin, real
        "started_at": str,
    },
    {},
    _COUNTS,
)
TWIN, REAL = "twin", "real"
LEVELS = Table(
    "levels.csv", {**_AT, "metric": str, "value": float, "unit": str}, {}, _COUNTS | _VALUE
)  # metrics: load_metrics.py, and those of analyse/anatomy_rows.py
SHARES = Table(
    "shares.csv",
    {**_AT, "definition": str, "part": str, "stage": str, "seconds": float, "share": float},
    {"seconds": "s", "share": "of the definition's total"},
    _COUNTS | {"share": 1.000001},
)
PROCESSES = Table(
    "processes.csv", {**_AT, "role": str, "metric": str, "value": float, "unit": str}, {}, _COUNTS | _VALUE
)
REQUESTS = Table(
    "requests.csv",
    {**_AT, "request": int, "metric": str, "part": str, "seconds": float},
    {"seconds": "s"},
    _COUNTS,
)
TIMELINE = Table(
    "timeline.csv",
    {
        **_AT,
        "process": str,
        "thread": str,  # main, other
        "stage": str,
        "span_kind": str,  # work, wait, container
        "name": str,
        "begin_s": float,
        "end_s": float,
    },
    {"begin_s": "s since the first step shown", "end_s": "s since the first step shown"},
    _COUNTS,
)
FINDINGS = Table(
    "findings.csv",
    {"case": str, "concurrency": int, "definition": str, "part": str, "statistic": str, "value": float},
    {"value": "share of the definition's total; of n: repeats"},
    _COUNTS | _VALUE,
)
CLAIM = Table(
    "claim.csv",
    {"case": str, "concurrency": int, "claim": str, "verdict": str, "n": int, "reason": str},
    {},
    _COUNTS,
)
SPLIT_TABLES = (RUNS, LEVELS, SHARES, PROCESSES, REQUESTS, TIMELINE, FINDINGS, CLAIM)
ANATOMY_TABLES = SPLIT_TABLES + FEATURE_TABLES
