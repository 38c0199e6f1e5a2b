"""Decisions of a request router as JSON lines: what was chosen and why, where a request went, when it was done.

``DecisionLog`` goes before a router class of Ray's and changes nothing of what it decides. The file is opened late and
kept in the instance: Ray pickles router classes, with their modules, by value. Lines: harness/record/routing_run.py.
"""

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ray.serve._private.common import ReplicaID
from ray.serve.request_router import PendingRequest, RunningReplica


@dataclass(frozen=True)
class Reason:
    """Why replicas were chosen; ``matched`` of ``of`` ``unit`` of the prompt were expected in their caches."""

    reason: str
    matched: int | None = None
    of: int | None = None
    unit: str | None = None


class DecisionLog(ABC):
    """Goes before a router class. ``initialize_state`` takes ``log_folder`` for itself; None: nothing is written."""

    # Of the router class behind this one.
    _replicas: dict[ReplicaID, RunningReplica]
    _replica_queue_len_cache: Any
    clock: Callable[[], float] = staticmethod(time.time)
    _log_folder: str | None = None
    _log: IO[str] | None = None

    def initialize_state(self, log_folder: str | None = None, **kwargs: Any) -> None:
        """See ``RequestRouter.initialize_state``."""
        self._log_folder = log_folder
        super().initialize_state(**kwargs)  # type: ignore[misc]

    @abstractmethod
    def why(self, pending: PendingRequest | None, ranks: list[list[RunningReplica]]) -> Reason:
        """Why the class behind has just chosen these."""

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> Any:
        """What the class behind chooses, written down."""
        begun = time.perf_counter()
        ranks = await super().choose_replicas(candidate_replicas, pending_request)  # type: ignore[misc]
        # Nothing is awaited from here on: what the class behind noted last was about this request.
        seconds = time.perf_counter() - begun
        if pending_request is not None:
            listed = [list(rank) for rank in ranks]
            self._write(
                "choose",
                request=pending_request.metadata.request_id,
                internal=pending_request.metadata.internal_request_id,
                ranks=[_names(rank) for rank in listed],
                **asdict(self.why(pending_request, listed)),
                queues=self.queues(),
                seconds=seconds,
            )
        return ranks

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any) -> None:
        """The request was sent to this replica: the one decision that counts."""
        queues = self.queues()
        super().on_request_routed(pending_request, replica_id, result)  # type: ignore[misc]
        self._write(
            "routed",
            request=pending_request.metadata.request_id,
            internal=pending_request.metadata.internal_request_id,
            replica=replica_id.unique_id,
            waited_s=self.clock() - pending_request.created_at,
            queues=queues,
        )

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        """The request is done, or was rejected by a replica that is full."""
        super().on_request_completed(replica_id, internal_request_id)  # type: ignore[misc]
        self._write("done", internal=internal_request_id, replica=replica_id.unique_id)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """The replica's process is gone."""
        super().on_replica_actor_died(replica_id)  # type: ignore[misc]
        self._write("died", replica=replica_id.unique_id)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """The controller says which replicas there are."""
        before = set(self._replicas)
        super().update_replicas(replicas)  # type: ignore[misc]
        if set(self._replicas) != before:
            self._write("replicas", replicas=_names(replicas))

    def queues(self) -> dict[str, int | None]:
        """Requests at each replica, as far as the router knows."""
        return {each.unique_id: self._replica_queue_len_cache.get(each) for each in self._replicas}

    def _write(self, event: str, **said: Any) -> None:
        if self._log_folder is None:
            return
        if self._log is None:
            path = Path(self._log_folder) / f"decisions.{os.getpid()}.jsonl"
            self._log = path.open("a", encoding="utf-8", buffering=1)
        self._log.write(json.dumps({"event": event, "t": self.clock(), **said}, separators=(",", ":")) + "\n")


def _names(replicas: Iterable[RunningReplica]) -> list[str]:
    return [replica.replica_id.unique_id for replica in replicas]
