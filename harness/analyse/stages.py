"""Stages of serving: what the hooks of an engine's serving table call the work that they see, by process.

Computed, never a hook's: ``EVENT_LOOP``, the API server's main-thread CPU that no hook covers.
"""

# API server
HTTP, TOKENISE, INPUT, TO_ENGINE = "http", "tokenise", "input", "to_engine"
FROM_ENGINE, DETOKENISE, STREAM_OUT, METRICS = "from_engine", "detokenise", "stream_out", "metrics"
EVENT_LOOP = "event_loop"
API_STAGES = (HTTP, TOKENISE, INPUT, TO_ENGINE, FROM_ENGINE, DETOKENISE, STREAM_OUT, METRICS, EVENT_LOOP)

# Engine core
ENGINE_INPUT, SCHEDULE, UPDATE, RPC = "engine_input", "schedule", "update", "rpc"
ENGINE_WAIT, IDLE, ENGINE_OUTPUT, ENGINE_LOOP = "engine_wait", "idle", "engine_output", "engine_loop"
ENGINE_STAGES = (ENGINE_INPUT, SCHEDULE, UPDATE, RPC, ENGINE_WAIT, IDLE, ENGINE_OUTPUT, ENGINE_LOOP)

# Worker
WORKER_WAIT, PREPARE, FORWARD, LOGITS = "worker_wait", "prepare", "forward", "logits"
SAMPLE, REPLY, WORKER_LOOP = "sample", "reply", "worker_loop"
WORKER_STAGES = (WORKER_WAIT, PREPARE, FORWARD, LOGITS, SAMPLE, REPLY, WORKER_LOOP)

EXECUTION = (FORWARD, LOGITS, SAMPLE)
SPINS = (ENGINE_WAIT, WORKER_WAIT)  # waits that burn their core
WAITS = (*SPINS, IDLE)
