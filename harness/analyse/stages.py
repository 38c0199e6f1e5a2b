"""The stages of serving: what work of the API server, the engine core and the workers is called. docs/anatomy.md.

Hooks of a pin's ``serving.toml`` name the stage of a function's own time. ``EVENT_LOOP`` has no hook: it is what the
API server's main thread did outside every one of them.
"""

API, ENGINE, WORKER = "api", "engine", "worker"  # roles of processes

HTTP, TOKENISE, INPUT, TO_ENGINE = "http", "tokenise", "input", "to_engine"
FROM_ENGINE, DETOKENISE, STREAM_OUT, METRICS = "from_engine", "detokenise", "stream_out", "metrics"
EVENT_LOOP = "event_loop"

ENGINE_INPUT, SCHEDULE, UPDATE, RPC = "engine_input", "schedule", "update", "rpc"
ENGINE_WAIT, IDLE, ENGINE_OUTPUT, ENGINE_LOOP = "engine_wait", "idle", "engine_output", "engine_loop"

WORKER_WAIT, PREPARE, FORWARD, LOGITS = "worker_wait", "prepare", "forward", "logits"
SAMPLE, REPLY, WORKER_LOOP = "sample", "reply", "worker_loop"

STAGES: dict[str, dict[str, str]] = {
    API: {
        HTTP: "HTTP parser, ASGI application, routing, body validation, and what of a request's task is not named",
        TOKENISE: "text → token ids (in a pool of threads)",
        INPUT: "parameters and tokens → the engine's request, registering it",
        TO_ENGINE: "encoding and sending to the engine core",
        FROM_ENGINE: "receiving from the engine core and decoding",
        DETOKENISE: "token ids → text, state of each request",
        STREAM_OUT: "server-sent events: making and sending them",
        METRICS: "counters and histograms",
        EVENT_LOOP: "the event loop itself: polling, writing to sockets, starting callbacks",
    },
    ENGINE: {
        ENGINE_INPUT: "decoding requests (input thread), adding them",
        SCHEDULE: "which requests run, with how many tokens, in which blocks",
        UPDATE: "sampled tokens → state of requests, finished ones",
        RPC: "handing a call to the workers",
        ENGINE_WAIT: "waiting for the workers' answer; vLLM spins here",
        IDLE: "waiting for a request",
        ENGINE_OUTPUT: "encoding and sending outputs (output thread)",
        ENGINE_LOOP: "the rest of an engine step",
    },
    WORKER: {
        WORKER_WAIT: "waiting for the next call; vLLM spins here",
        PREPARE: "state of the batch, input tensors, attention metadata",
        FORWARD: "the model's forward pass",
        LOGITS: "the output projection",
        SAMPLE: "sampling, and taking the tokens from the device",
        REPLY: "handing the answer to the engine core",
        WORKER_LOOP: "the rest of a call",
    },
}
API_STAGES, ENGINE_STAGES, WORKER_STAGES = (tuple(STAGES[role]) for role in (API, ENGINE, WORKER))

EXECUTION = (FORWARD, LOGITS, SAMPLE)
SPINS = (ENGINE_WAIT, WORKER_WAIT)  # waits that burn their core
WAITS = (*SPINS, IDLE)
