"""What the study's routers decide and write down, under the serving engine's Python: IN.json OUT.json.

IN: {"folder": where each scenario's log folder is made}. OUT: {scenario: what it found, or {"error": …}}.
"""

import asyncio
import json
import logging
import math
import os
import random
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ray.llm._internal.serve.routing_policies.prefix_aware import prefix_aware_router
from ray.serve._private.common import DeploymentHandleSource
from ray.serve.request_router import PendingRequest

from experiments.prefix_routing import worker_routers
from experiments.prefix_routing.worker_decision_log import DecisionLog
from experiments.prefix_routing.worker_simulated_router import LocalTree
from tests.engine.worker_events_followed import (
    DEPLOYMENT,
    Publisher,
    asking,
    caches_in,
    connect,
    follows,
    named,
    real_caches,
    settle,
)

LONG, OTHER = list(range(1, 101)), list(range(200, 241))
KNOWN = "the quick brown fox jumps over the lazy dog"
FULL = 4


class Replica:
    """What a router asks of Ray's ``RunningReplica``. ``gate``: it answers when this is set."""

    node_id, availability_zone, is_cross_language = "node", None, False
    multiplexed_model_ids: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self.replica_id, self.max_ongoing_requests, self.queue = named(name), FULL, 0
        self.gate: asyncio.Event | None = None

    async def get_queue_len(self, *, deadline_s: float) -> int:
        del deadline_s
        if self.gate is not None:
            await self.gate.wait()
        return self.queue


def replicas_of(*names: str) -> list[Any]:
    return [Replica(name) for name in names]


async def router_of(kind: type, replicas: list[Any], **parameters: Any) -> Any:
    router: Any = kind(
        deployment_id=DEPLOYMENT,
        handle_source=DeploymentHandleSource.REPLICA,
        self_node_id="node",
        use_replica_queue_len_cache=True,
    )
    router.queue_len_response_deadline_s = router.max_queue_len_response_deadline_s = 60.0
    router.replica_queue_len_cache._staleness_timeout_s = math.inf
    router.initialize_state(**parameters)
    router.update_replicas(replicas)
    await asyncio.sleep(0.01)  # it asks them for their queues
    return router


def queues(router: Any, **lengths: int) -> None:
    for name, length in lengths.items():
        router.curr_replicas[named(name)].queue = length
        router.on_new_queue_len_info(named(name), length)


async def chosen(router: Any, pending: PendingRequest) -> list[list[str]]:
    ranks = await router.choose_replicas(list(router.curr_replicas.values()), pending)
    return [[each.replica_id.unique_id for each in rank] for rank in ranks]


async def served(router: Any, pending: PendingRequest) -> str:
    """Routed as Ray's handle does, and done at once."""
    replica = await asyncio.wait_for(router._choose_replica_for_request(pending), 30)
    router.on_send_request(replica.replica_id)
    router.on_request_routed(pending, replica.replica_id, SimpleNamespace())
    router.decrement_queue_len_cache(replica.replica_id)
    router.on_request_completed(replica.replica_id, pending.metadata.internal_request_id)
    return str(replica.replica_id.unique_id)


def _prefix(tree: LocalTree, log: Path, names: Sequence[str] = ("a", "b")) -> Any:
    prefix_aware_router.ray = SimpleNamespace(get=lambda value: value)
    kind = type("PrefixAffinity", (worker_routers.PrefixAffinity,), {"fetch": staticmethod(lambda value: value)})
    return router_of(kind, replicas_of(*names), tree_actor=tree, imbalanced_threshold=2, log_folder=str(log))


async def prefix_rules(log: Path, _: Path) -> dict[str, Any]:
    """Each of Ray's rules once; which replicas they chose."""
    tree = LocalTree()
    router = await _prefix(tree, log)
    for text, name in ((KNOWN, "a"), ("0123456789" * 9, "b")):
        tree.tree.insert(text, named(name).to_full_id_str(), 1.0)
    found = [await chosen(router, asking(f"{KNOWN} twice", "longest"))]
    found.append(await chosen(router, asking("th" + "z" * 98, "below")))
    queues(router, a=3, b=0)
    found.append(await chosen(router, asking(KNOWN, "queues")))
    queues(router, a=2, b=0)
    found.append(await chosen(router, asking(KNOWN, "at the threshold")))
    tree.tree.remove_tenants([named(name).to_full_id_str() for name in ("a", "b")])
    found.append(await chosen(router, asking(KNOWN, "empty tree")))
    return {"ranks": found}


async def prefix_meanwhile(log: Path, _: Path) -> dict[str, Any]:
    """A request waits for queue lengths while another one is decided, or fails."""
    tree = LocalTree()
    router = await _prefix(tree, log)
    tree.tree.insert(KNOWN, named("a").to_full_id_str(), 1.0)
    gone = named("gone").to_full_id_str()

    async def waits_while(request: str, text: str, then: Callable[[], Any], length: int) -> None:
        replica = router.curr_replicas[named("a")]
        replica.gate, replica.queue = asyncio.Event(), length
        router.replica_queue_len_cache.invalidate_key(replica.replica_id)
        waiting = asyncio.ensure_future(chosen(router, asking(text, request)))
        await asyncio.sleep(0.01)
        assert not waiting.done(), "it does not ask the replica"
        queues(router, a=0, b=0)
        replica.queue = length
        await then()
        replica.gate.set()
        await waiting

    async def fails() -> None:
        tree.tree.add_tenants([gone], 2.0)  # the tree knows a replica that the router has dropped
        try:
            await chosen(router, asking("unknown", "fails"))
        except KeyError:
            errors.append("KeyError")
        tree.tree.remove_tenants([gone])

    errors: list[str] = []
    tree.tree.insert("0", named("b").to_full_id_str(), 1.0)  # nobody has as little as who is gone
    await waits_while("A", KNOWN, lambda: chosen(router, asking("unknown", "B")), 0)
    await waits_while("C", KNOWN, lambda: chosen(router, asking(KNOWN[:30], "D")), 3)
    queues(router, a=0, b=0)
    await fails()
    queues(router, a=3, b=0)
    await chosen(router, asking(KNOWN, "after it"))
    queues(router, a=0, b=0)
    await waits_while("during it", KNOWN, fails, 3)
    return {"errors": errors}


@asynccontextmanager
async def exact(log: Path, short: Path, stores: bool = True, **parameters: Any) -> AsyncIterator[Any]:
    """A router of ours; replica a has cached the first block of ``LONG``, b all of ``OTHER``."""
    publishers = [Publisher(short, name) for name in ("a", "b")]
    more = caches_in(short) | parameters
    router = await router_of(worker_routers.Exact, replicas_of("a", "b"), log_folder=str(log), **more)
    connect(router.caches, publishers)
    if stores:
        publishers[0].store(LONG[:4])
        publishers[1].store(OTHER)
    settle(router.caches, publishers)
    try:
        yield router, publishers
    finally:
        for each in publishers:
            each.shutdown()


async def exact_rate(rate: float | None, log: Path, short: Path) -> dict[str, Any]:
    """4 of 100 tokens are cached, or none."""
    async with exact(log, short, match_rate_threshold=rate) as (router, _):
        ranks = {"little": await chosen(router, asking(LONG, "little"))}
        return ranks | {"none": await chosen(router, asking([900] * 9, "none"))}


async def exact_threshold(threshold: float | None, log: Path, short: Path) -> dict[str, Any]:
    """The replica that has the prompt has three more requests than the other."""
    async with exact(log, short, imbalanced_threshold=threshold) as (router, _):
        queues(router, a=0, b=3)
        return {"ranks": await chosen(router, asking(OTHER, "q")), "to": await served(router, asking(OTHER, "q"))}


async def exact_ties(log: Path, short: Path) -> dict[str, Any]:
    """Nobody has cached anything, nobody has anything to do."""
    async with exact(log, short, stores=False) as (router, _):
        return {"to": [await served(router, asking([number] * 9, f"{number}")) for number in range(80)]}


async def exact_falls(log: Path, short: Path) -> dict[str, Any]:
    """The replica that has the prompt is full, then its events are missed, then it dies."""
    async with exact(log, short) as (router, publishers):
        queues(router, a=0, b=FULL)
        found: dict[str, Any] = {"full": await served(router, asking(OTHER, "full"))}
        queues(router, a=0, b=0)
        publishers[1].lose(3)
        publishers[1].store(OTHER[:4])
        assert router.caches._sockets["b"].poll(20_000), "nothing arrives"  # the decision itself is to read it
        found["missed"] = await served(router, asking(OTHER, "missed"))
        router.on_replica_actor_died(named("b"))
        return found | {"dead": [await served(router, asking(OTHER, f"dead-{number}")) for number in range(8)]}


async def rays_own(log: Path, _: Path) -> dict[str, Any]:
    """The same requests through our class and the class behind it, with the same chance."""

    def asked() -> list[PendingRequest]:
        return [asking(KNOWN, f"q-{n}", f"s{n % 4}" if n < 20 else None) for n in range(24)]

    found: dict[str, Any] = {}
    for name in ("PowerOfTwo", "RoundRobin", "Session", "Random"):
        ours = getattr(worker_routers, name)
        behind = ours.__mro__[2]
        assert not issubclass(behind, DecisionLog)
        ranks = []
        for kind in (ours, behind):
            random.seed(11)
            router = await router_of(kind, replicas_of("a", "b", "c"))
            ranks.append([await chosen(router, each) for each in asked()])
        (log / name).mkdir()
        router = await router_of(ours, replicas_of("a", "b", "c"), log_folder=str(log / name))
        found[name] = {"ranks": ranks, "to": [await served(router, each) for each in asked()]}
        router.on_replica_actor_died(named("c"))
    return found


async def scheduler(_: Path, short: Path) -> dict[str, Any]:
    """What is followed against what vLLM's scheduler has."""
    return real_caches(short, 3, 30)


async def comes_and_goes(_: Path, short: Path) -> dict[str, Any]:
    """Whom we follow."""
    return follows(short)


SCENARIOS: dict[str, Callable[[Path, Path], Any]] = {
    "scheduler": scheduler,
    "follows": comes_and_goes,
    "prefix_rules": prefix_rules,
    "prefix_meanwhile": prefix_meanwhile,
    **{f"exact_rate {rate}": partial(exact_rate, rate) for rate in (None, 0, 0.1)},
    **{f"exact_threshold {most}": partial(exact_threshold, most) for most in (None, 2)},
    "exact_ties": exact_ties,
    "exact_falls": exact_falls,
    "rays_own": rays_own,
}


def main(request_path: str, result_path: str) -> None:
    logging.disable(logging.WARNING)
    folder = Path(json.loads(Path(request_path).read_text(encoding="utf-8"))["folder"])
    found: dict[str, Any] = {}
    for name, scenario in SCENARIOS.items():
        log = folder / name
        log.mkdir()
        with tempfile.TemporaryDirectory(prefix="kv-") as short:  # a socket's path is at most 107 bytes long
            try:
                found[name] = asyncio.run(scenario(log, Path(short)))
            except Exception:
                found[name] = {"error": traceback.format_exc()}
    Path(result_path).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
