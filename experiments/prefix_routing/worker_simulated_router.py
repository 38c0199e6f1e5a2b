"""The deployment's router classes without a deployment: what stands in for Ray's actors, sockets and controller.

Every decision is taken by the same classes (``worker_routers``). Replaced is only what carries their questions: the
prefix tree is called in this process instead of in an actor, its eviction runs on the virtual clock, queue lengths are
those of the simulated replicas, and what a replica has cached is asked of its own block pool instead of its events.

There is one router and everything goes through it, so that what it remembers of queue lengths is what a probe would
say: its memory is given no age limit, and only full replicas are probed.

Source: Ray 2.60.0 ``serve/_private/router.py``, ``serve/_private/request_router``.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ray.llm._internal.serve.routing_policies.prefix_aware import prefix_aware_router
from ray.llm._internal.serve.routing_policies.prefix_aware.prefix_tree import PrefixTree
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID, RequestMetadata
from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from experiments.prefix_routing import worker_routers
from experiments.prefix_routing.worker_decision_log import DecisionLog, Reason
from experiments.prefix_routing.worker_replicas import Replica, Replicas
from harness.record.routing_tables import EXACT, POWER_OF_TWO, PREFIX, RANDOM, ROUND_ROBIN, SESSION
from harness.record.simulated import FOLLOWED

_DEPLOYMENT = DeploymentID("LLMServer", "simulated")
_CLASSES: dict[str, type] = {
    POWER_OF_TWO: worker_routers.PowerOfTwo,
    PREFIX: worker_routers.PrefixAffinity,
    ROUND_ROBIN: worker_routers.RoundRobin,
    RANDOM: worker_routers.Random,
    SESSION: worker_routers.Session,
    EXACT: worker_routers.Exact,
}


class RoutedReplica:
    """What a router asks of Ray's ``RunningReplica``."""

    node_id = "node"
    availability_zone = None
    is_cross_language = False
    multiplexed_model_ids: frozenset[str] = frozenset()

    def __init__(self, replica: Replica, unique_id: str, max_ongoing_requests: int) -> None:
        self.replica, self.max_ongoing_requests = replica, max_ongoing_requests
        self.replica_id = ReplicaID(unique_id, _DEPLOYMENT)

    async def get_queue_len(self, *, deadline_s: float) -> int:
        """Requests in the replica now."""
        del deadline_s
        return self.replica.ongoing


class LocalTree:
    """A prefix tree that is called as if it were an actor's handle; ``ray.get`` of what it returns is that itself."""

    def __init__(self) -> None:
        self.tree = PrefixTree()
        self._evicting: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        method = self._evict_on_this_clock if name == "start_eviction_loop" else getattr(self.tree, name)
        return SimpleNamespace(remote=method)

    def _evict_on_this_clock(self, threshold: int, target: int, interval_s: float) -> bool:
        self._evicting = asyncio.get_running_loop().create_task(self._evict(threshold, target, interval_s))
        return True

    async def _evict(self, threshold: int, target: int, interval_s: float) -> None:
        """As the actor's own thread does, which waits by the wall clock."""
        while True:
            await asyncio.sleep(interval_s)
            for tenant, characters in list(self.tree.tenant_to_char_count.items()):
                if characters > threshold:
                    self.tree.evict_tenant_by_lru(tenant, characters - target)


class PoolCaches:
    """In the place of ``ExactCaches``: the caches themselves. A request brings its blocks' keys as ``block_keys``."""

    missed = 0

    def __init__(self, replicas: Mapping[ReplicaID, RoutedReplica], block_size: int) -> None:
        self._replicas, self._block_size = replicas, block_size

    def follow(self, replicas: Sequence[ReplicaID]) -> None:
        """A block pool needs no following."""

    def matches(self, pending: PendingRequest, replicas: Sequence[ReplicaID]) -> tuple[int, dict[ReplicaID, int]]:
        """Tokens of the prompt, and how many of them each replica has cached."""
        request = pending.args[0]
        found = {each: self._replicas[each].replica.cached_blocks(request.block_keys) for each in replicas}
        return request.prompt_tokens, {each: blocks * self._block_size for each, blocks in found.items()}

    def blocks(self, replica: ReplicaID) -> int:
        """How many different contents the replica has cached."""
        return self._replicas[replica].replica.cached_contents


class _FollowedChoice(RequestRouter):
    """Where somebody else sent each request: ``decisions`` name replicas by their numbers."""

    def initialize_state(self, decisions: Mapping[str, int], names: Sequence[ReplicaID]) -> None:
        self._to = {request: names[number] for request, number in decisions.items()}

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """That one, as soon as it has room."""
        del candidate_replicas
        if pending_request is None:
            return []
        pending_request.routing_context.should_backoff = True
        return [[self._replicas[self._to[pending_request.metadata.request_id]]]]


class Followed(DecisionLog, _FollowedChoice):  # type: ignore[misc]
    """Follows decisions that were taken elsewhere."""

    def why(self, _pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """It has none of its own."""
        return Reason(FOLLOWED)


class RouterMaker:
    """Routers over simulated replicas. ``seed`` names the replicas, and seeds the ``random`` that Ray's classes use."""

    def __init__(self, replicas: Replicas, max_ongoing_requests: int | None, seed: int) -> None:
        random.seed(seed)
        chance = random.Random(seed)
        limit = max_ongoing_requests if max_ongoing_requests is not None else 10**9  # Ray Serve LLM's default
        routed = [RoutedReplica(each, f"{chance.getrandbits(40):010x}", limit) for each in replicas.each]
        self.replicas = {each.replica_id: each for each in routed}
        self._seed = seed

    def make(
        self,
        strategy: str,
        parameters: Mapping[str, Any],
        decisions: Mapping[str, int] | None,
        block_size: int,
        clock: Callable[[], float],
        note: Callable[..., None],
    ) -> Any:
        """A router that knows all replicas; inside of a running event loop, whose time is ``clock``.

        ``decisions``: followed, in the place of the strategy. ``note(event, …)`` is told each line of its log.
        """
        more: dict[str, Any] = dict(parameters)
        chosen: type = Followed if decisions is not None else _CLASSES[strategy]
        if decisions is not None:
            more = {"decisions": decisions, "names": list(self.replicas)}
        elif strategy == PREFIX:
            more["tree_actor"] = LocalTree()
        elif strategy == RANDOM:
            more["seed"] = self._seed
        replaced = {"clock": staticmethod(clock), "_write": staticmethod(note), "fetch": staticmethod(_itself)}
        chosen = type(chosen.__name__, (chosen,), replaced)
        prefix_aware_router.ray = SimpleNamespace(get=_itself)
        vars(worker_routers)["ExactCaches"] = lambda **_: PoolCaches(self.replicas, block_size)
        router = chosen(
            deployment_id=_DEPLOYMENT,
            handle_source=DeploymentHandleSource.REPLICA,
            self_node_id="node",
            use_replica_queue_len_cache=True,
            get_curr_time_s=clock,
        )
        router.replica_queue_len_cache._staleness_timeout_s = math.inf
        router.initialize_state(**more)
        router.update_replicas(list(self.replicas.values()))
        return router


def metadata_of(request_id: str, session: str | None) -> RequestMetadata:
    """Of a request as it comes from the client."""
    return RequestMetadata(request_id=request_id, internal_request_id=request_id, session_id=session or "")


def _itself(value: Any) -> Any:
    return value
