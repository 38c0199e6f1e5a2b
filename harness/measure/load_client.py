"""The client of a load: sends its requests when they are due, and notes what comes back and when.

One process, one thread: a request costs it a fraction of a millisecond, and the summary says what all cost.
"""

import asyncio
import gc
import json
import random
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from harness.analyse.load_metrics import percentile
from harness.measure.load_stream import Answer, AnswerError, Events, refusal
from harness.record.load import LoadRow, Sending
from harness.record.load_output import CANCELLED, FAILED, MAX_ERROR, OK, ClientRecord, ClientSummary, count
from harness.record.plain import printable
from harness.record.secret_names import is_worth_hiding
from harness.record.secrets import redacted
from harness.traces.arrivals import request_times

_CONNECT_S = 30.0
_REFUSAL_BYTES = 1 << 16  # of an error, as far as it is looked at
# Servers close connections that idle (uvicorn: after 5 s), just when the next request may be on its way: close first.
_KEEP_S = 2.0


@dataclass(frozen=True)
class Target:
    """Where a load goes."""

    base_url: str  # http://HOST:PORT
    model: str
    prefix: str  # of request ids: PREFIX-0, PREFIX-1, …
    key: str | None = field(default=None, repr=False)  # of its API; no record has it
    reads_text: bool = False  # ``Answer.reads_text``
    keeps_connections: bool = True  # from one request to the next
    without_names: Callable[[str], str] = str  # what else must not be kept of what it says of errors


def run_load(rows: Sequence[LoadRow], target: Target, sending: Sending) -> tuple[list[ClientRecord], ClientSummary]:
    """Send all of them and wait for the last; a record for each, in their order. No failure of a request raises."""
    # A full garbage collection goes through all that was imported, for 0.1 s: answers would come late.
    gc.collect()
    gc.freeze()
    try:
        return asyncio.run(_Load(rows, target, sending).run())
    finally:
        gc.unfreeze()


@dataclass
class _Request:
    """One request on its way. Times are of the monotonic clock."""

    row: LoadRow
    body: bytes
    dropped: bool  # after its first token
    planned: float
    answer: Answer
    held_back: bool = False
    sent: float = 0.0
    ended: float = 0.0
    status: str = FAILED
    http_status: int | None = None
    error: str | None = None


class _Load:
    def __init__(self, rows: Sequence[LoadRow], target: Target, sending: Sending) -> None:
        self.rows, self.target, self.sending = rows, target, sending
        self.free = asyncio.Semaphore(sending.max_concurrency)
        path = "/v1/chat/completions" if sending.chat else "/v1/completions"
        self.url = target.base_url + path

    async def run(self) -> tuple[list[ClientRecord], ClientSummary]:
        times = request_times(len(self.rows), self.sending.request_rate, self.sending.seed)
        cancelled = cancelled_places(len(self.rows), self.sending)
        timeout = aiohttp.ClientTimeout(total=self.sending.timeout_s, sock_connect=_CONNECT_S)
        keeping = {"keepalive_timeout": _KEEP_S} if self.target.keeps_connections else {"force_close": True}
        connector = aiohttp.TCPConnector(limit=0, **keeping)
        jar = aiohttp.DummyCookieJar()  # a balancer's cookie would decide where the next request goes
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as session:
            cpu, wall, begin = _cpu_s(), time.time(), time.monotonic()
            tasks = []
            for place, (row, due) in enumerate(zip(self.rows, times, strict=True)):
                answer, dropped = Answer(self.sending.chat, self.target.reads_text), place in cancelled
                request = _Request(row, self._body(row), dropped, begin + due, answer)
                # Even where one is late already: what comes back must be read, not only sent.
                await asyncio.sleep(max(0.0, request.planned - time.monotonic()))
                tasks.append(asyncio.create_task(self._one(session, request)))
            requests = await asyncio.gather(*tasks)
            ended, spent = time.monotonic(), _cpu_s() - cpu
        records = [self._record(each, begin, wall) for each in requests]
        return records, self._summary(requests, records, wall, ended - begin, spent)

    async def _one(self, session: aiohttp.ClientSession, request: _Request) -> _Request:
        request.held_back = self.free.locked()
        async with self.free:
            request.sent = time.monotonic()
            try:
                await self._ask(session, request)
            except TimeoutError as error:  # aiohttp's own says whether it was the connection
                request.error = f"timeout: {error}" if str(error) else f"no answer within {self.sending.timeout_s:g} s"
            except AnswerError as error:
                request.error = str(error)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                request.error = f"{type(error).__name__}: {error}"
            request.ended = time.monotonic()
        return request

    async def _ask(self, session: aiohttp.ClientSession, request: _Request) -> None:
        headers = {
            "Content-Type": "application/json",
            "x-request-id": self._id(request.row),
            "x-session-id": str(request.row.conversation),
        }
        if self.target.key is not None:
            headers["Authorization"] = f"Bearer {self.target.key}"
        async with session.post(self.url, data=request.body, headers=headers, allow_redirects=False) as response:
            request.http_status = response.status
            if response.status != 200:
                raise AnswerError(refusal(response.status, await _begin_of(response)))
            if not self.sending.stream:
                request.answer.add_whole(await response.read())
            elif await self._dropped(response, request):
                response.close()  # the connection with it: the server is told
                request.status = CANCELLED
                return
            if not request.answer.done:
                raise AnswerError("the stream ended without [DONE]")
            request.status = OK

    async def _dropped(self, response: aiohttp.ClientResponse, request: _Request) -> bool:
        """Read the stream to its end; True: it was left after the first token."""
        events = Events()
        async for received in response.content.iter_any():
            at = time.monotonic()
            for payload in events.feed(received):
                request.answer.add_event(payload, at)
                if request.dropped and request.answer.chunks:
                    return True
        return False

    def _body(self, row: LoadRow) -> bytes:
        asked: dict[str, Any] = {
            "model": self.target.model,
            "max_tokens": row.output_tokens,
            "temperature": 0.0,
            "stream": self.sending.stream,
        }
        if self.sending.chat:
            asked["messages"] = row.messages or [{"role": "user", "content": row.prompt}]
        else:
            asked["prompt"] = row.prompt
        if self.sending.stream:
            asked["stream_options"] = {"include_usage": True}
        if self.sending.ignore_eos:
            asked["ignore_eos"] = True
        return json.dumps(asked).encode()

    def _id(self, row: LoadRow) -> str:
        return f"{self.target.prefix}-{row.request}"

    def _record(self, request: _Request, begin: float, wall: float) -> ClientRecord:
        answer, row = request.answer, request.row
        last = answer.last_token_at if self.sending.stream else request.ended
        first = answer.first_token_at
        return ClientRecord(
            request=row.request,
            request_id=self._id(row),
            conversation=row.conversation,
            piece=row.piece,
            status=request.status,
            http_status=request.http_status,
            error=self._error(request.error),
            planned_s=request.planned - begin,
            sent_s=request.sent - begin,
            ended_s=request.ended - begin,
            sent_at=wall + request.sent - begin,
            prompt_tokens=answer.prompt_tokens,
            output_tokens=answer.output_tokens,
            cached_tokens=answer.cached_tokens,
            ttft_s=None if first is None else first - request.sent,
            e2e_s=None if last is None or request.status != OK else last - request.sent,
            itl_s=answer.itl_s,
            text=self._text(answer.text),
        )

    def _error(self, said: str | None) -> str | None:
        """One line; a server may repeat the key that it was given. Cut last: a half of a key would be left."""
        secrets = [self.target.key] if self.target.key else []
        said = said[:_REFUSAL_BYTES] if said else None  # far behind the end of what is kept
        return printable(self.target.without_names(redacted(said, secrets)), MAX_ERROR) if said else None

    def _text(self, said: str | None) -> str | None:
        """An answer without the key; one that is an everyday word (``EMPTY``, ``test``) is none to hide there."""
        key = self.target.key
        return redacted(said, [key]) if said and key and is_worth_hiding(key) else said

    def _summary(
        self, requests: Sequence[_Request], records: Sequence[ClientRecord], wall: float, wall_s: float, cpu_s: float
    ) -> ClientSummary:
        errors = [each.sent - each.planned for each in requests if not each.held_back]
        return ClientSummary(
            begin_at=wall,
            wall_s=wall_s,
            cpu_s=cpu_s,
            send_error_s={
                "median": percentile(errors, 50),
                "p99": percentile(errors, 99),
                "max": max(errors),
            }
            if errors
            else None,
            held_back=len(requests) - len(errors),
            requests=len(records),
            completed=count(records, OK),
            failed=count(records, FAILED),
            cancelled=count(records, CANCELLED),
            parameters=self.sending.document() | {"model": self.target.without_names(self.target.model)},
        )


def cancelled_places(requests: int, sending: Sending) -> set[int]:
    """Which requests the client drops, drawn from the seed."""
    chance = random.Random(f"{sending.seed} cancelled")
    return set(chance.sample(range(requests), round(sending.cancel * requests)))


async def _begin_of(response: aiohttp.ClientResponse) -> bytes:
    """Its body, as far as it may say why."""
    body = b""
    async for received in response.content.iter_any():
        body += received
        if len(body) >= _REFUSAL_BYTES:
            break
    return body[:_REFUSAL_BYTES]


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
