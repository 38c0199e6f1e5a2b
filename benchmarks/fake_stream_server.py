"""A server that streams tokens on a fixed schedule: what a client says of it can be held against what is known.

    python benchmarks/fake_stream_server.py FIRST_MS NEXT_MS        # prints its port

The first token comes after FIRST_MS, each further one after NEXT_MS, as OpenAI's /v1/completions streams them.
"""

import asyncio
import json
import sys

from aiohttp import web

CHUNK = b'data: {"id":"c","object":"text_completion","choices":[{"index":0,"text":" a","finish_reason":null}]}\n\n'


class Server:
    """Tokens on a schedule; lateness does not add up."""

    def __init__(self, first_s: float, next_s: float) -> None:
        self.first_s, self.next_s = first_s, next_s

    async def models(self, _: web.Request) -> web.Response:
        """The only model."""
        return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Stream as many tokens as are asked for."""
        begin = asyncio.get_running_loop().time()
        asked = await request.json()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(asked["max_tokens"]):
            due = begin + self.first_s + number * self.next_s
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await response.write(CHUNK)
        usage = {"prompt_tokens": len(asked["prompt"].split()), "completion_tokens": asked["max_tokens"]}
        await response.write(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n".encode())
        return response


async def main() -> None:
    """Serve until the process is ended."""
    server = Server(*(float(each) / 1000 for each in sys.argv[1:3]))
    app = web.Application()
    app.router.add_get("/v1/models", server.models)
    app.router.add_post("/v1/completions", server.complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
