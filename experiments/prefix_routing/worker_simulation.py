"""One simulated run: a client, a router of the deployment's classes, and replicas without a model.

Ray's own routing tasks run as they are, with their queues, probes and backoffs, on an event loop with a virtual clock.
Decisions, and messages between router and replicas, take no time. A replica that is full rejects, and what is rejected
is routed again, as in Ray 2.60.0 ``serve/_private/router.py``, ``_route_and_send_request_once``.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ray.serve.request_router import PendingRequest

from experiments.model_free.worker_recorder import RequestRecord
from experiments.prefix_routing.worker_replicas import Replicas
from experiments.prefix_routing.worker_simulated_load import SimulatedRequest
from experiments.prefix_routing.worker_simulated_router import RoutedReplica, metadata_of
from experiments.prefix_routing.worker_virtual_clock import VirtualClock


@dataclass(slots=True)
class Served:
    """A request, where it went, why, and what became of it. Times in virtual seconds."""

    request_id: str
    sent_s: float
    replica: int
    waited_s: float  # at the router
    reason: str
    matched: int | None
    of: int | None
    unit: str | None
    record: RequestRecord


@dataclass
class Simulation:
    """``max_concurrency``: requests that the client has under way at most; None: it sends each at its arrival."""

    replicas: Replicas
    max_concurrency: int | None
    served: list[Served] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self._pass_time)
        self._ended: dict[str, asyncio.Future[RequestRecord]] = {}
        self._under_way = 0
        self._room: asyncio.Future[None] | None = None  # the client waits for it
        self._chosen: dict[str, dict[str, Any]] = {}  # what the router said last of each request

    def run(self, requests: Iterable[SimulatedRequest], make_router: Callable[[], Any]) -> None:
        """Send all requests and wait for all answers; ``make_router`` is called inside of the event loop.

        Raises:
            StuckError: requests wait for ever.
        """
        asyncio.set_event_loop(self.clock)
        try:
            self.clock.run_until_complete(self._send_all(requests, make_router))
            for task in asyncio.all_tasks(self.clock):
                task.cancel()
            self.clock.run_until_complete(asyncio.sleep(0))
        finally:
            asyncio.set_event_loop(None)
            self.clock.close()

    def note(self, event: str, **said: Any) -> None:
        """A line of the router's log."""
        if event == "choose":
            self._chosen[said["request"]] = said

    async def _send_all(self, requests: Iterable[SimulatedRequest], make_router: Callable[[], Any]) -> None:
        router = make_router()
        await self.clock.settle()
        answers: set[asyncio.Task[None]] = set()
        for request in requests:
            await self.clock.sleep_until(request.row.arrival_s)
            while self.max_concurrency is not None and self._under_way >= self.max_concurrency:
                self._room, self.replicas.watched = self.clock.create_future(), True
                await self._room
                self.replicas.watched = False
            self._under_way += 1
            task = self.clock.create_task(self._serve(router, request))
            answers.add(task)
            task.add_done_callback(answers.discard)
            await self.clock.settle()  # requests that arrive at one moment are routed one after another
        await asyncio.gather(*answers)

    async def _serve(self, router: Any, request: SimulatedRequest) -> None:
        sent = max(self.clock.time(), request.row.arrival_s)
        metadata = metadata_of(request.request_id, request.session)
        pending = PendingRequest([request], {}, metadata, created_at=sent, future=self.clock.create_future())
        replica = await self._route(router, pending)
        number = replica.replica.number
        now = max(self.clock.time(), request.row.arrival_s)
        ended: asyncio.Future[RequestRecord] = self.clock.create_future()
        self._ended[request.request_id] = ended
        self.replicas.send(number, request.row, now)
        router.on_new_queue_len_info(replica.replica_id, replica.replica.ongoing)
        router.on_request_routed(pending, replica.replica_id, SimpleNamespace())
        record = await ended
        router.decrement_queue_len_cache(replica.replica_id)
        router.on_request_completed(replica.replica_id, metadata.internal_request_id)
        said = self._chosen.pop(request.request_id, {"reason": "another request's turn"})
        why = (said["reason"], said.get("matched"), said.get("of"), said.get("unit"))
        self.served.append(Served(request.request_id, sent, number, now - sent, *why, record))

    async def _route(self, router: Any, pending: PendingRequest) -> RoutedReplica:
        """A replica that has room."""
        is_retry = False
        while True:
            replica: RoutedReplica = await router._choose_replica_for_request(pending, is_retry=is_retry)
            router.on_send_request(replica.replica_id)
            if replica.replica.ongoing < replica.max_ongoing_requests:
                return replica
            router.on_new_queue_len_info(replica.replica_id, replica.replica.ongoing)
            router.on_request_completed(replica.replica_id, pending.metadata.internal_request_id)
            is_retry = True

    def _pass_time(self, until_s: float) -> float:
        reached, ended = self.replicas.advance(until_s)
        for _, record in ended:
            self._ended.pop(record.row.request_id).set_result(record)
            self._under_way -= 1
        if ended and self._room is not None and not self._room.done():
            self._room.set_result(None)
        return reached
