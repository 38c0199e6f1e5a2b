"""The routers of the study: Ray's own where there is one, with their decisions written down; ours for the rest.

What each does and which parameters it takes: docs/routing.md. Ray pickles this module by value, so it holds nothing
that cannot be pickled.

Source: Ray 2.60.0 ``serve/_private/request_router``, ``serve/experimental``, ``llm/_internal/serve/routing_policies``.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import ray
from ray.serve._private.common import ReplicaID
from ray.serve._private.request_router import PowerOfTwoChoicesRequestRouter
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter
from ray.serve.experimental.round_robin_router import RoundRobinRouter
from ray.serve.llm.request_router import PrefixCacheAffinityRouter
from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from experiments.prefix_routing.worker_decision_log import DecisionLog, Reason
from experiments.prefix_routing.worker_exact import ExactCaches


class PowerOfTwo(DecisionLog, PowerOfTwoChoicesRequestRouter):
    """Ray's default: of two replicas by chance the one with the shorter queue."""

    def why(self, _pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """It has but one."""
        return Reason("shorter queue of two")


class RoundRobin(DecisionLog, RoundRobinRouter):
    """Ray's: one replica after another."""

    def why(self, _pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """It has but one."""
        return Reason("its turn")


class Session(DecisionLog, ConsistentHashRouter):
    """Ray's: a conversation's requests go to one replica, by a hash of the header ``x-session-id``."""

    def why(self, pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """Whether there was a session to go by."""
        has = pending is not None and bool(pending.metadata.session_id)
        return Reason("hash of its session" if has else "no session: hash of its id")


class PrefixAffinity(DecisionLog, PrefixCacheAffinityRouter):
    """Ray's: to whom the longest prefix of the text was sent before, unless queues differ too much."""

    fetch: Callable[[Any], Any] = staticmethod(ray.get)
    _tree_actor: Any

    def initialize_state(self, log_folder: str | None = None, **kwargs: Any) -> None:
        """See ``PrefixCacheAffinityRouter.initialize_state``; JSON has no infinity, so null stands for it."""
        if kwargs.get("imbalanced_threshold", 0) is None:
            kwargs["imbalanced_threshold"] = math.inf
        super().initialize_state(log_folder=log_folder, **kwargs)
        self._tree_actor = _Watched(self._tree_actor)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> Any:
        """As Ray's."""
        try:
            return await super().choose_replicas(candidate_replicas, pending_request)
        finally:
            self._tree_actor.take()  # what a choice that raised has left

    def why(self, pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """Which of its rules decided, told by what it asked the tree."""
        asked = self._tree_actor.take()
        if pending is None or "prefix_match" not in asked:
            return Reason("queues too different: shorter of two")
        matched, tenants = self.fetch(asked["prefix_match"])
        rule = "longest prefix"
        if "get_smallest_tenants" in asked:
            rule, tenants = "fewest characters so far", self.fetch(asked["get_smallest_tenants"])
        if not tenants:
            rule = "no replica in the tree: shorter of two"
        return Reason(rule, len(matched), len(self._extract_text_from_request(pending)), "characters")


class _Watched:
    """The handle of the prefix tree's actor; what it was asked since ``take`` was called last is kept."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._asked: dict[str, Any] = {}

    def take(self) -> dict[str, Any]:
        """Method → what its call returned."""
        asked, self._asked = self._asked, {}
        return asked

    def __getattr__(self, name: str) -> Any:
        return _WatchedMethod(getattr(self._tree, name), name, self._asked.__setitem__)


class _WatchedMethod:
    def __init__(self, method: Any, name: str, note: Callable[[str, Any], None]) -> None:
        self._method, self._name, self._note = method, name, note

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        found = self._method.remote(*args, **kwargs)
        self._note(self._name, found)
        return found


class _RandomChoice(RequestRouter):
    def initialize_state(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """One replica by chance; if it is full, the others in an order by chance."""
        if pending_request is not None:
            pending_request.routing_context.should_backoff = True
        in_order = sorted(candidate_replicas, key=lambda each: each.replica_id.unique_id)
        return [[each] for each in self._random.sample(in_order, len(in_order))]


class Random(DecisionLog, _RandomChoice):  # type: ignore[misc]
    """Ours: a replica by chance."""

    def why(self, _pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """It has none."""
        return Reason("by chance")


class _ExactChoice(RequestRouter):
    """To whoever has most of the prompt cached; of several, and of all if nobody has any, the shortest queue,
    then the least cached."""

    caches: ExactCaches

    def initialize_state(
        self, imbalanced_threshold: float | None = None, match_rate_threshold: float | None = 0.1, **kwargs: Any
    ) -> None:
        """Meanings as in Ray's ``PrefixCacheAffinityRouter``, defaults too; None: no limit. Others: ``ExactCaches``.

        Without ``match_rate_threshold`` whoever first got the block that most prompts begin with would get them all.
        """
        self._threshold = math.inf if imbalanced_threshold is None else imbalanced_threshold
        self._least_rate = match_rate_threshold or 0.0
        self.caches = ExactCaches(**kwargs)
        self.reason = Reason("no replica")

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Those with most of the prompt first, then the others."""
        if pending_request is None or not candidate_replicas:
            return [candidate_replicas] if candidate_replicas else []
        pending_request.routing_context.should_backoff = True
        of, matched = self.caches.matches(pending_request, [each.replica_id for each in candidate_replicas])
        missed = ", events missed" if self.caches.missed else ""
        most = max(matched.values())
        known = [self._replica_queue_len_cache.get(each.replica_id) for each in candidate_replicas]
        lengths = [length for length in known if length is not None]
        if lengths and max(lengths) - min(lengths) > self._threshold:
            self.reason = Reason(f"queues too different: shortest{missed}", most, of, "tokens")
            return [candidate_replicas]
        wanted = most if most >= self._least_rate * of else 0  # tokens that a replica should have
        rule = "most cached" if wanted else "too little cached: shortest queue"
        self.reason = Reason(f"{rule}{missed}", most, of, "tokens")
        # Ray takes the first of those with the shortest queue: that is to be the one that has cached least so far, and
        # any of those that have cached the same.
        by_chance = random.sample(candidate_replicas, len(candidate_replicas))
        emptiest = sorted(by_chance, key=lambda each: self.caches.blocks(each.replica_id))
        best = [each for each in emptiest if matched[each.replica_id] >= wanted]
        rest = [each for each in emptiest if matched[each.replica_id] < wanted]
        return [best, rest] if rest else [best]

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Follow the events of these replicas, and of no others."""
        super().update_replicas(replicas)
        self.caches.follow([each.replica_id for each in replicas])

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """What it had cached is gone."""
        super().on_replica_actor_died(replica_id)
        self.caches.follow(list(self._replicas))


class Exact(DecisionLog, _ExactChoice):  # type: ignore[misc]
    """Ours: by what each replica's vLLM has cached at that moment."""

    def why(self, _pending: PendingRequest | None, _ranks: list[list[RunningReplica]]) -> Reason:
        """What the choice noted."""
        return self.reason
