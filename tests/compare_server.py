"""Fake engines for comparisons: each has one way to behave. In a thread of the test, or as a process of its own.

``python -m tests.compare_server BEHAVIOUR PORT`` is what a test may have killed: ``dies:N`` kills itself in the middle
of its N-th answer.
"""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.load_server import LoadServer, write

WORDS = "alpha beta gamma delta epsilon zeta eta theta".split()


def answer_of(prompt: str, tokens: int) -> list[str]:
    """What every good engine says to a prompt: words, one a token."""
    return [WORDS[(len(prompt) + at) % len(WORDS)] + " " for at in range(tokens)]


@dataclass
class FakeEngine(LoadServer):
    """good, slow, malformed, silent, burst, nodone, liar, greedy-other, mute, key:K, dies:N"""

    behaviour: str = "good"
    answered: int = 0

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def list_models(self, request: web.Request) -> web.Response:
        if not self.may(request):
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        return await super().list_models(request)

    def may(self, request: web.Request) -> bool:
        kind, _, key = self.behaviour.partition(":")
        return kind != "key" or request.headers.get("Authorization") == f"Bearer {key}"

    async def answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        self.answered += 1
        mine = self.answered
        behaviour, _, number = self.behaviour.partition(":")
        if not self.may(request):
            given = request.headers.get("Authorization")
            return web.json_response({"error": {"message": f"Incorrect API key provided: {given}"}}, status=401)
        if behaviour == "slow":
            await asyncio.sleep(30)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        words = answer_of(body["prompt"], body["max_tokens"])
        if behaviour == "greedy-other":
            words[-1] = "other "
        if behaviour == "burst":
            words = ["".join(words)]
        for at, word in enumerate([] if behaviour in ("mute", "silent") else words):
            if behaviour == "malformed" and at == 1:
                await response.write(b"data: {half of a chu\n\n")
                return response
            if behaviour == "dies" and mine == int(number) and at == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            await write(response, {"choices": [{"text": word, "finish_reason": None}]})
            await asyncio.sleep(0.001)
        if behaviour != "silent":
            await write(response, {"choices": [{"text": "", "finish_reason": "length"}]})
            told = 10 * len(words) if behaviour == "liar" else body["max_tokens"]
            usage = {"prompt_tokens": len(body["prompt"].split()), "completion_tokens": told}
            await write(response, {"choices": [], "usage": usage})
        if behaviour not in ("nodone", "silent"):
            await response.write(b"data: [DONE]\n\n")
        return response


def main(behaviour: str, port: int) -> None:
    """Serve until the process is ended."""
    server = FakeEngine(["toy"], behaviour=behaviour)
    app = web.Application()
    app.router.add_get("/health", server.health)
    app.router.add_get("/v1/models", server.list_models)
    app.router.add_post("/v1/completions", server.complete)
    web.run_app(app, host="127.0.0.1", port=port, print=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
