"""The stages of serving: what work of the API server, the engine core and the workers is called. docs/anatomy.md.

Hooks of a pin's ``serving.toml`` name the stage of a function's own time. ``EVENT_LOOP`` has no hook: it is what the
API server's main thread did outside every one of them.
"""

API, ENGINE, WORKER = "api", "engine", "worker"  # roles of processes

EVENT_LOOP = "event_loop"
ENGINE_WAIT, IDLE, WORKER_WAIT = "engine_wait", "idle", "worker_wait"
FORWARD, LOGITS, SAMPLE = "forward", "logits", "sample"
SCHEDULE, UPDATE = "schedule", "update"

STAGES: dict[str, dict[str, str]] = {
    API: {
        "http": "HTTP parser, ASGI application, routing, body validation, and what of a request's task is not named",
        "tokenise": "text → token ids (in a pool of threads)",
        "input": "parameters and tokens → the engine's request, registering it",
        "to_engine": "encoding and sending to the engine core",
        "from_engine": "receiving from the engine core and decoding",
        "detokenise": "token ids → text, state of each request",
        "stream_out": "server-sent events: making and sending them",
        "metrics": "counters and histograms",
        EVENT_LOOP: "the event loop itself: polling, writing to sockets, starting callbacks",
    },
    ENGINE: {
        "engine_input": "decoding requests (input thread), adding them",
        SCHEDULE: "which requests run, with how many tokens, in which blocks",
        UPDATE: "sampled tokens → state of requests, finished ones",
        "rpc": "handing a call to the workers",
        ENGINE_WAIT: "waiting for the workers' answer; vLLM spins here",
        IDLE: "waiting for a request",
        "engine_output": "encoding and sending outputs (output thread)",
        "engine_loop": "the rest of an engine step",
    },
    WORKER: {
        WORKER_WAIT: "waiting for the next call; vLLM spins here",
        "prepare": "state of the batch, input tensors, attention metadata",
        FORWARD: "the model's forward pass",
        LOGITS: "the output projection",
        SAMPLE: "sampling, and taking the tokens from the device",
        "reply": "handing the answer to the engine core",
        "worker_loop": "the rest of a call",
    },
}
EXECUTION = (FORWARD, LOGITS, SAMPLE)
WAITS = (ENGINE_WAIT, IDLE, WORKER_WAIT)
