"""What ``ExactCaches`` follows, published by vLLM's own publisher, for ``worker_router_decisions``.

``Engine``: vLLM's scheduler without a model, whose events are published as a serving engine's are, and whose block
pool says what is true.
"""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve.request_router import PendingRequest
from tokenizers import Tokenizer, models, pre_tokenizers
from vllm.distributed.kv_events import BlockStored, KVEventBatch, ZmqEventPublisher
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request

from experiments.model_free.worker_scheduler import build_scheduler
from experiments.prefix_routing.worker_exact import ExactCaches, events_endpoint
from experiments.prefix_routing.worker_simulated_router import metadata_of

BLOCK = 4
DEPLOYMENT = DeploymentID("LLMServer", "tests")
_WAIT_S = 20.0


def named(name: str) -> ReplicaID:
    return ReplicaID(name, DEPLOYMENT)


def asking(prompt: Any, request: str = "r", session: str | None = None) -> PendingRequest:
    """A completion request. ``prompt``: a text, or token numbers, which become a text of as many words."""
    text = prompt if isinstance(prompt, str) else " ".join(map(str, prompt))
    return PendingRequest([SimpleNamespace(prompt=text)], {}, metadata_of(request, session))


def caches_in(folder: Path) -> dict[str, Any]:
    """Parameters of ``ExactCaches``; the tokenizer's word "17" is token 17."""
    words = Tokenizer(models.WordLevel({str(number): number for number in range(1000)}, unk_token="0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(folder / "tokenizer.json"))
    return {"events_folder": str(folder), "tokenizer": str(folder / "tokenizer.json"), "block_size": BLOCK}


class Publisher(ZmqEventPublisher):
    """vLLM's own, which counts what goes through it."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(0, endpoint=events_endpoint(str(folder), name))
        self.name, self.published = name, 0
        self.seen: Counter[str] = Counter()
        self._stored: Counter[Any] = Counter()

    def publish(self, events: Any) -> None:
        for event in events.events:
            self.seen[type(event).__name__] += 1
            hashes = getattr(event, "block_hashes", [])
            if isinstance(event, BlockStored):
                self.seen["again"] += sum(self._stored[each] > 0 for each in hashes)
                self._stored.update(hashes)
            else:
                self._stored.subtract(hashes)
        self.published += 1
        super().publish(events)

    def lose(self, batches: int) -> None:
        """As many are numbered and never arrive."""
        for _ in range(batches):
            next(self._seq_gen)
        self.published += batches

    def store(self, tokens: Sequence[int]) -> None:
        """These tokens' full blocks are cached."""
        full = len(tokens) // BLOCK * BLOCK
        hashes: Any = [bytes(str(tokens[: begin + BLOCK]), "ascii") for begin in range(0, full, BLOCK)]
        event = BlockStored(hashes, None, list(tokens[:full]), BLOCK, None, "GPU", None)
        self.publish(KVEventBatch(ts=time.time(), events=[event]))


def connect(caches: ExactCaches, publishers: Sequence[Publisher]) -> int:
    """Until something of every publisher arrives: what is sent before a socket is connected is lost.

    Returns how many batches are missed, which it then forgets.
    """
    for publisher in publishers:
        deadline = time.monotonic() + _WAIT_S
        while caches._next[publisher.name] == 0:
            publisher.publish(KVEventBatch(ts=time.time(), events=[]))
            time.sleep(0.1)
            caches.matches(asking(""), [])
            assert time.monotonic() < deadline, f"nothing of {publisher.name} arrives"
    settle(caches, publishers)
    missed, caches.missed = caches.missed, 0
    return missed


def settle(caches: ExactCaches, publishers: Sequence[Publisher]) -> None:
    """Until everything published has been read."""
    deadline = time.monotonic() + _WAIT_S
    while any(caches._next[each.name] < each.published for each in publishers):
        time.sleep(0.001)
        caches.matches(asking(""), [])
        assert time.monotonic() < deadline, "events do not arrive"


def follows(short: Path) -> dict[str, Any]:
    """Replicas that come, go and lose events, published by vLLM."""
    caches = ExactCaches(**caches_in(short))
    one, two = Publisher(short, "one"), Publisher(short, "two")
    prompt, ids = list(range(1, 14)), [named("one"), named("two")]

    def says() -> list[int]:
        of, matched = caches.matches(asking(prompt), ids)
        return [of, *matched.values()]

    caches.follow(ids[:1])
    connect(caches, [one])
    one.store(prompt)
    settle(caches, [one])
    found: dict[str, Any] = {"one": says()}
    two.store(prompt[:8])  # nobody listens
    while not two._event_queue.empty():
        time.sleep(0.01)
    caches.follow(ids)
    lost = connect(caches, [two])
    two.store(prompt[:4])
    settle(caches, [one, two])
    found |= {"both": says(), "lost": lost, "missed": caches.missed}
    two.lose(3)
    two.store(prompt[:8])
    settle(caches, [two])
    found |= {"gap": says(), "missed_in_gap": caches.missed - found["missed"]}
    caches.follow(ids[1:])
    found["one left"] = says()
    no_text = PendingRequest([SimpleNamespace(messages=[{"content": "1 2 3 4 5"}])], {}, asking("").metadata)
    of, matched = caches.matches(no_text, ids)
    found["no text"] = [of, *matched.values()]
    for each in (one, two):
        each.shutdown()
    return found


class Engine:
    """A replica's engine that announces what it caches."""

    def __init__(self, folder: Path, name: str, chance: Random) -> None:
        self.scheduler = build_scheduler(
            num_blocks=40,
            block_size=BLOCK,
            max_model_len=100,
            max_num_seqs=8,
            max_num_batched_tokens=48,
            kv_events=True,
        )
        self.publisher = Publisher(folder, name)
        self.scheduler.kv_event_publisher = self.publisher
        self._chance, self._hasher, self._made = chance, get_request_block_hasher(BLOCK, sha256), 0

    def request(self, prompt: list[int]) -> Request:
        self._made += 1
        sampling = SamplingParams(max_tokens=self._chance.randint(1, 9), temperature=0.0, ignore_eos=True)
        return Request(str(self._made), prompt, sampling, None, block_hasher=self._hasher)

    def step(self) -> None:
        """One step of the engine; the model says what chance says."""
        scheduled = self.scheduler.schedule()
        ids = list(scheduled.num_scheduled_tokens)
        running = [self.scheduler.requests[each] for each in ids]
        said = [[self._chance.randrange(9)] if each.num_computed_tokens >= each.num_tokens else [] for each in running]
        ran = ModelRunnerOutput(ids, {each: at for at, each in enumerate(ids)}, sampled_token_ids=said)
        self.scheduler.update_from_output(scheduled, ran)

    def finds(self, prompt: list[int]) -> int:
        """Tokens of a prompt that the scheduler would not compute."""
        return int(self.scheduler.kv_cache_manager.get_computed_blocks(self.request(prompt))[1])

    @property
    def contents(self) -> int:
        return len(self.scheduler.kv_cache_manager.block_pool.cached_block_hash_to_block._cache)


def real_caches(folder: Path, seed: int, rounds: int) -> dict[str, Any]:
    """Two schedulers at work; after every step what is followed is compared with what they have."""
    chance = Random(seed)
    engines = {named(name): Engine(folder, name, chance) for name in ("one", "two")}
    caches = ExactCaches(**caches_in(folder))
    caches.follow(list(engines))
    publishers = [each.publisher for each in engines.values()]
    connect(caches, publishers)
    stems = [[chance.randrange(9) for _ in range(30)] for _ in range(4)]
    found: dict[str, Any] = {"compared": 0, "cached": 0, "wrong": []}
    prompts: list[list[int]] = []
    for _ in range(rounds):
        for engine in engines.values():
            for _ in range(chance.randint(1, 3)):
                tail = [chance.randrange(9) for _ in range(chance.randint(0, 9))]
                prompts.append(chance.choice(stems)[: chance.randint(1, 30)] + tail)
                for _ in range(chance.choice((1, 1, 2))):  # twice in one step: two blocks of the same content
                    engine.scheduler.add_request(engine.request(prompts[-1]))
        while any(engine.scheduler.has_unfinished_requests() for engine in engines.values()):
            for engine in engines.values():
                engine.step()
            settle(caches, publishers)
            for prompt in chance.sample(prompts, min(4, len(prompts))):
                of, said = caches.matches(asking(prompt), list(engines))
                true = {name: engine.finds(prompt) for name, engine in engines.items()}
                found["compared"] += 1
                found["cached"] += any(true.values())
                if of != len(prompt) or said != true:
                    found["wrong"].append([prompt, of, list(said.values()), list(true.values())])
            sizes = [(caches.blocks(name), engine.contents) for name, engine in engines.items()]
            found["wrong"] += [list(each) for each in sizes if each[0] != each[1]]
        if chance.random() < 0.2:
            for engine in engines.values():
                engine.step()  # what has ended gives its blocks back
                assert engine.scheduler.reset_prefix_cache()
    for publisher in publishers:
        publisher.shutdown()
    del found["wrong"][5:]
    return found | {"missed": caches.missed, "events": dict(sum((each.seen for each in publishers), Counter()))}
