"""A small OpenAI-compatible server, in a thread of the test: what it does with a request, its prompt says."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MODEL = "toy"


@dataclass
class Seen:
    """What a request said."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class LoadServer:
    """Where it is, and what it saw."""

    models: list[str]
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    now: int = 0  # requests under way
    most: int = 0
    left: int = 0  # requests whose client went away

    async def list_models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": model} for model in self.models]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append(Seen(request.path, {name.lower(): each for name, each in request.headers.items()}, body))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self.answer(request, body)
        except (ConnectionResetError, asyncio.CancelledError):
            self.left += 1
            raise
        finally:
            self.now -= 1

    async def answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        chat = request.path.endswith("chat/completions")
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        words = prompt.split()
        if "error" in words:
            return web.json_response({"error": {"message": "no\nroom", "code": 500}}, status=500)
        if "slow" in words:
            await asyncio.sleep(30)
        if "short" in words:
            await asyncio.sleep(0.02)
        details = {"cached_tokens": 3}
        usage = {
            "prompt_tokens": len(words),
            "completion_tokens": body["max_tokens"],
            "prompt_tokens_details": details,
        }
        if not body["stream"]:
            return web.json_response({"choices": [{"text": "a " * body["max_tokens"]}], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if chat:
            await write(response, {"choices": [{"delta": {"role": "assistant", "content": ""}}]})
            await asyncio.sleep(0.01)
        for number in range(body["max_tokens"]):
            if "broken" in words and number == 2:
                request.transport.close()  # type: ignore[union-attr]
                return response
            if "late-error" in words and number == 2:
                await write(response, {"error": {"message": "engine died"}})
                break
            part = {"delta": {"content": "a"}} if chat else {"text": "" if number % 2 else "a"}
            await write(response, {"choices": [part]})
            await asyncio.sleep(0.2 if "crawl" in words else 0.002)
        if body.get("stream_options") and "uncounted" not in words:
            await write(response, {"choices": [], "usage": usage})
        if "endless" not in words:
            await response.write(b"data: [DONE]\r\n\r\n")
        return response


async def write(response: web.StreamResponse, document: dict[str, Any]) -> None:
    await response.write(f": a comment\n\ndata: {json.dumps(document)}\n\n".encode())


@contextmanager
def serving(models: list[str] | None = None, server: LoadServer | None = None) -> Iterator[LoadServer]:
    """The server, until the block ends; ``server``: one of another kind."""
    server = server or LoadServer([MODEL] if models is None else models)
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/v1/models", server.list_models)
        app.router.add_post("/v1/completions", server.complete)
        app.router.add_post("/v1/chat/completions", server.complete)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
