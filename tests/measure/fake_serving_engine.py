"""Stands in for a traced ``vllm serve``: an HTTP server, and three tracers that answer and write what the real ones do.

``python fake_serving_engine.py PORT MODE``; modes: ok, dies-early, hangs, dies-in-load, short, refuses, no-hook,
no-worker.
"""

import json
import os
import socket
import sys
import threading
import time

from aiohttp import web

PORT, MODE = int(sys.argv[1]), sys.argv[2]
FOLDER = os.environ["COLDSTART_TRACE_SERVING"]
ROLES = ("api", "engine") if MODE == "no-worker" else ("api", "engine", "worker")


class Tracer:
    """One role's socket and file; the three are one process here, told apart by their numbers."""

    def __init__(self, role: str, number: int) -> None:
        self.role, self.pid = role, os.getpid() * 10 + number
        self.begun: tuple[str, int] = ("", 0)
        self.detail: list[dict[str, int]] = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(f"{FOLDER}/{role}-{self.pid}.sock")
        self.server.listen(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            connection, _ = self.server.accept()
            with connection, connection.makefile("rw", encoding="utf-8") as stream:
                for line in stream:
                    stream.write(json.dumps(self.do(line.split())) + "\n")
                    stream.flush()

    def do(self, words: list[str]) -> dict[str, object]:
        now = time.monotonic_ns()
        match words:
            case ["begin", name]:
                self.begun, self.detail = (name, now), []
            case ["detail", "on"]:
                self.detail.append({"begin_ns": now})
            case ["detail", "off"]:
                used = dict.fromkeys(("main_cpu_ns", "process_cpu_ns", "events", "told_ns"), 1)
                self.detail[-1] |= {"end_ns": now, **used}
            case ["end"]:
                self.write(now)
        return {
            "ok": True,
            "event_ns": 2,
            "inside_ns": 1,
            "pass_ns": 0,
            "failed": ["toy:gone"] if MODE == "no-hook" else [],
        }

    def write(self, now: int) -> None:
        path = f"{FOLDER}/serving-{self.role}-{self.pid}.jsonl"
        is_new = not os.path.exists(path)
        with open(path, "a", encoding="utf-8") as file:
            if is_new:
                hook = {"name": "work", "module": "toy", "stage": "http", "kind": "work", "detail": False}
                header = {"schema": 1, "clock": "CLOCK_MONOTONIC", "pid": self.pid, "role": self.role, "main_tid": 1}
                file.write(json.dumps(header | {"event_ns": 2, "inside_ns": 1, "pass_ns": 0, "hooks": [hook]}) + "\n")
            name, begin = self.begun
            used = {"process_cpu_ns": 9, "main_cpu_ns": 9, "events": 0, "told_ns": 0, "threads": []}
            window = {"window": name, "begin_ns": begin, "end_ns": now, **used, "detail": self.detail}
            file.write(json.dumps(window) + "\n")


async def complete(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    is_measured = request.headers.get("x-request-id", "").startswith("c")
    if MODE == "dies-in-load" and is_measured:
        os._exit(3)
    if MODE == "refuses" and is_measured:
        return web.json_response({"error": {"message": "no room"}}, status=503)
    tokens = body["max_tokens"] - (1 if MODE == "short" and is_measured else 0)
    usage = {"prompt_tokens": 5, "completion_tokens": tokens}
    if not body.get("stream"):
        return web.json_response({"choices": [{"text": "a"}], "usage": usage})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(tokens):
        await response.write(b'data: {"choices": [{"text": "a"}]}\n\n')
    await response.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n")
    return response


async def health(_: web.Request) -> web.Response:
    return web.Response()


async def models(_: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "m"}]})


def main() -> None:
    if MODE == "dies-early":
        sys.exit("ValueError: no such dtype")
    if MODE == "hangs":
        time.sleep(60)
    for number, role in enumerate(ROLES):
        Tracer(role, number)
    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/v1/models", models), web.post("/v1/completions", complete)])
    web.run_app(app, host="127.0.0.1", port=PORT, print=None)


if __name__ == "__main__":
    main()
