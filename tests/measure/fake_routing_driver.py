"""A driver as worker_deploy.py is one, without Ray and vLLM: real processes, sockets and files, in a second.

    python -m tests.measure.fake_routing_driver ASKED READY

Replicas take requests in turns and remember whole prompts; each is a process that this one starts. What the driver does
beside that, the model's name says: ``m``, ``m-dies`` (before it is ready), ``m-hangs`` (never is), ``m-ends`` (with its
tenth request), ``m-loses`` (a replica's process, with its tenth request), ``m-uncounted`` (requests fail).
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, start_http_server

from harness.record.atomic import write_json

COUNTERS = (
    "prompt_tokens generation_tokens request_success prefix_cache_queries prefix_cache_hits num_preemptions".split()
)


class Replica:
    """One replica: its process, which only has to be there, and what its engine would say."""

    def __init__(self, name: str, logs: Path) -> None:
        self.name, self.seen = name, set[str]()
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        registry = CollectorRegistry()
        self.counters = {each: Counter(f"vllm:{each}", "", registry=registry) for each in COUNTERS}
        server, _ = start_http_server(0, addr="127.0.0.1", registry=registry)
        self.served = (logs / f"served-{name}.jsonl").open("a", buffering=1)
        self.samples = (logs / f"samples-{name}.jsonl").open("a", buffering=1)
        self.queries = self.hits = 0
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        self.facts = {"replica": name, "pid": self.process.pid, "metrics_url": url}
        write_json(logs / f"replica-{name}.json", self.facts)

    def serve(self, request: str, prompt: str, output: int) -> int:
        """Note the request; returns the tokens of its prompt."""
        tokens = len(prompt)
        cached = tokens - 1 if prompt in self.seen else 0
        self.seen.add(prompt)
        self.queries, self.hits = self.queries + tokens, self.hits + cached
        for name, value in zip(COUNTERS, (tokens, output, 1, tokens, cached, 0), strict=True):
            self.counters[name].inc(value)
        times = {"queued_s": 0.0, "prefill_s": 0.001, "decode_s": 0.001, "inference_s": 0.002, "e2e_s": 0.002}
        counts = {"prompt_tokens": tokens, "output_tokens": output, "cached_tokens": cached, "preemptions": 0}
        write(self.served, {"request": request, "t": time.time(), **counts, **times})
        load = {"running": 1, "waiting": 0, "kv_usage": 0.1, "queries": self.queries, "hits": self.hits}
        write(self.samples, {"t": time.time(), **load})
        return tokens


class Driver:
    """All replicas behind one address."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.mode = asked["name"].partition("-")[2]
        logs = Path(asked["log_folder"])
        self.replicas = [Replica(f"r{number}", logs) for number in range(asked["replicas"])]
        self.decisions = (logs / f"decisions.{os.getpid()}.jsonl").open("a", buffering=1)
        self.turn = self.of_the_load = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer at once, as a stream or not."""
        body, name = await request.json(), request.headers["x-request-id"]
        self.of_the_load += not name.startswith("check")
        if self.of_the_load == 10 and self.mode == "ends":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.of_the_load == 10 and self.mode == "loses":
            self.replicas[0].process.kill()
            self.replicas[0].process.wait()
        if self.of_the_load and self.mode == "uncounted":
            return web.json_response({"error": {"message": "no room"}}, status=503)
        replica = self.replicas[self.turn % len(self.replicas)]
        self.turn += 1
        self._decide(name, replica)
        tokens = replica.serve(name, body["prompt"], body["max_tokens"])
        usage = {"prompt_tokens": tokens, "completion_tokens": body["max_tokens"]}
        if not body.get("stream"):
            return web.json_response({"choices": [{"text": "a"}], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(0.02)
        for document in [{"choices": [{"text": "a"}]}] * body["max_tokens"] + [{"choices": [], "usage": usage}]:
            await response.write(f"data: {json.dumps(document)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    def _decide(self, name: str, replica: Replica) -> None:
        queues = {each.name: 0 for each in self.replicas}
        about = {"request": name, "internal": f"i-{name}", "queues": queues}
        why = {"reason": "its turn", "matched": None, "of": None, "unit": None, "seconds": 0.0}
        write(self.decisions, {"event": "choose", "t": time.time(), **about, "ranks": [[replica.name]], **why})
        routed = {"replica": replica.name, "waited_s": 0.0}
        write(self.decisions, {"event": "routed", "t": time.time(), **about, **routed})


def write(file: Any, said: dict[str, Any]) -> None:
    file.write(json.dumps(said) + "\n")


async def serve(asked: dict[str, Any], ready: Path) -> None:
    driver, stop = Driver(asked), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = web.Application()
    app.router.add_post("/v1/completions", driver.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", asked["port"]).start()
    if driver.mode == "dies":
        raise RuntimeError("no weights in here")
    if driver.mode != "hangs":
        url = f"http://127.0.0.1:{asked['port']}"
        write_json(ready, {"url": url, "app": "fake", "replicas": [each.facts for each in driver.replicas]})
    await stop.wait()


def main(asked_path: str, ready_path: str) -> None:
    asked = json.loads(Path(asked_path).read_text())
    for name, stream in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream.fileno())
    print("deploying", flush=True)
    asyncio.run(serve(asked, Path(ready_path)))


if __name__ == "__main__":
    main(*sys.argv[1:])
