"""A toy block manager with a prefix cache, in plain Python: makes event streams whose counters are known.

It works step by step (a second of virtual time each), evicts the block that was free longest, admits in order of
arrival, takes prompts in chunks, and preempts the youngest request when a block is missing. It counts for itself as
it goes, with other bookkeeping than the code under test: contents are tuples of tokens, users are lists.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass
class ToyRequest:
    """A request, and what is known about it while it is replayed."""

    name: str
    session: str | None
    arrival: float
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    blocks: list[int] = field(default_factory=list)
    computed: int = 0
    produced: int = 0
    admissions: int = 0
    lost: int = 0
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> tuple[int, ...]:
        """What is known so far."""
        return self.prompt + self.output[: self.produced]


@dataclass
class Toy:
    """Replays ``requests`` (in order of arrival) with ``blocks`` blocks of ``size`` tokens, ``chunk`` tokens a step."""

    requests: list[ToyRequest]
    blocks: int
    size: int
    chunk: int = 8
    at_once: int = 4
    caching: bool = True
    events: list[Event] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    gaps: list[list[tuple[float, bool]]] = field(default_factory=list)
    hits: Counter[tuple[int, ...]] = field(default_factory=Counter)
    states: list[tuple[float, int, int]] = field(default_factory=list)  # time, blocks in use, waiting, after an event

    def __post_init__(self) -> None:
        self.now, self.steps = 0.0, 0
        self.free: OrderedDict[int, None] = OrderedDict((number, None) for number in range(1, self.blocks + 1))
        self.holders: dict[int, list[str]] = {number: [] for number in self.free}
        self.content: dict[int, tuple[int, ...]] = {}
        self.names: dict[tuple[int, ...], int] = {}  # content → id in the log
        self.uses: dict[tuple[int, ...], list[tuple[float, str | None]]] = {}
        self.waiting: list[ToyRequest] = []
        self.running: list[ToyRequest] = []

    def replay(self) -> "Toy":
        """Run to the end."""
        longest = max(len(each.prompt) + len(each.output) - 1 for each in self.requests)
        assert -(-longest // self.size) <= self.blocks, "a request longer than the cache would wait for ever"
        coming = list(self.requests)
        self._state()
        while coming or self.waiting or self.running:
            if not self.waiting and not self.running:
                self.now = max(self.now, coming[0].arrival)
            while coming and coming[0].arrival <= self.now:
                request = coming.pop(0)
                self._log("arrive", request, session=request.session, turn=None, arrival_s=request.arrival,
                          prompt_tokens=len(request.prompt), output_tokens=len(request.output))  # fmt: skip
                self.waiting.append(request)
                self._state()
            self._step()
        self.events.append({"t": self.now, "event": "end", "steps": self.steps})
        return self

    def _step(self) -> None:
        scheduled: list[tuple[ToyRequest, int]] = []
        preempted = False
        for request in list(self.running):
            if request not in self.running:
                continue
            take = min(self.chunk, len(request.tokens) - request.computed)
            while not self._allocate(request, request.computed + take):
                victim = self.running.pop()
                preempted = True
                self._preempt(victim)
                scheduled = [each for each in scheduled if each[0] is not victim]
                if victim is request:
                    break
            else:
                scheduled.append((request, take))
        while self.waiting and len(self.running) < self.at_once and not preempted:
            request = self.waiting[0]
            found = self._lookup(request)
            hit = len(found) * self.size
            take = min(self.chunk, len(request.tokens) - hit)
            missing = -(-(hit + take) // self.size) - len(found)
            if missing > len(self.free) - sum(number in self.free for number in found):
                break
            self._share(self.waiting.pop(0), found)
            assert self._allocate(request, hit + take)
            self._admit(request, hit)
            scheduled.append((request, take))
        for request, take in scheduled:
            self._store(request, request.computed + take)
        self.now += 1.0
        self.steps += 1
        for request, take in scheduled:
            self.counted["tokens_scheduled"] += take
            request.computed += take
            if request.computed == len(request.tokens):
                self._produce(request)

    def _lookup(self, request: ToyRequest) -> list[int]:
        found: list[int] = []
        while self.caching and (len(found) + 1) * self.size < len(request.tokens):
            wanted = request.tokens[: (len(found) + 1) * self.size]
            there = [number for number, content in self.content.items() if content == wanted]
            if not there:
                break
            found.append(there[0])
        return found

    def _share(self, request: ToyRequest, found: list[int]) -> None:
        """Give cached blocks to a request that is about to run."""
        resumed, gaps = request.admissions > 0, []
        for number in found:
            content = self.content[number]
            uses = self.uses[content]
            if resumed:
                self.counted["blocks_recovered"] += 1
            else:
                same = request.session is not None and any(session == request.session for _, session in uses)
                gaps.append((self.now - uses[-1][0], same))
                self.hits[content] += 1
                self.counted["blocks_reused_within_session" if same else "blocks_reused_across_sessions"] += 1
            uses.append((self.now, request.session))
            self.holders[number].append(request.name)
            self.free.pop(number, None)
            request.blocks.append(number)
        if not resumed:
            request.row |= {"hit_blocks": len(found), "within_session_hit_blocks": sum(same for _, same in gaps)}
        if found:
            self.gaps.append(gaps)
            contents = [self.names[self.content[number]] for number in found]
            self._log("hit", request, blocks=found, contents=contents, resumed=resumed)

    def _admit(self, request: ToyRequest, hit_tokens: int) -> None:
        resumed = request.admissions > 0
        self._log("admit", request, hit_tokens=hit_tokens, resumed=resumed)
        if resumed:
            self.counted["recomputed_tokens"] += max(0, request.lost - hit_tokens)
        else:
            request.row |= {"scheduled_s": self.now, "hit_tokens": hit_tokens}
            self.counted["hit_tokens"] += hit_tokens
        request.admissions += 1
        request.computed = hit_tokens
        self.running.append(request)
        self._state()

    def _allocate(self, request: ToyRequest, tokens: int) -> bool:
        missing = -(-tokens // self.size) - len(request.blocks)
        if missing > len(self.free):
            return False
        taken = [self.free.popitem(last=False)[0] for _ in range(missing)]
        lost = [number for number in taken if number in self.content]
        if lost:
            contents = [self.names[self.content.pop(number)] for number in lost]
            self.events.append({"t": self.now, "event": "evict", "blocks": lost, "contents": contents})
            self.counted["evictions"] += len(lost)
        if taken:
            self._log("alloc", request, blocks=taken)
            self.counted["blocks_allocated"] += len(taken)
            request.row["allocated_blocks"] = request.row.get("allocated_blocks", 0) + len(taken)
        for number in taken:
            self.holders[number].append(request.name)
            request.blocks.append(number)
        self._state()
        return True

    def _store(self, request: ToyRequest, tokens: int) -> None:
        full = range(tokens // self.size) if self.caching else range(0)
        new = [at for at in full if request.blocks[at] not in self.content]
        for at in new:
            content = request.tokens[: (at + 1) * self.size]
            self.content[request.blocks[at]] = content
            self.names.setdefault(content, len(self.names))
            self.uses.setdefault(content, []).append((self.now, request.session))
            self.hits[content] += 0
            self.counted["blocks_stored"] += 1
        if new:
            blocks = [request.blocks[at] for at in new]
            self._log("store", request, blocks=blocks, contents=[self.names[self.content[each]] for each in blocks])

    def _preempt(self, request: ToyRequest) -> None:
        self.counted["preemptions"] += 1
        self.counted["preempted_blocks"] += len(request.blocks)
        request.row["preemptions"] = request.row.get("preemptions", 0) + 1
        self._log("preempt", request, blocks=len(request.blocks), computed_tokens=request.computed)
        self._release(request)
        request.lost, request.computed = request.computed, 0
        self.waiting.insert(0, request)
        self._state()

    def _release(self, request: ToyRequest) -> None:
        released = request.blocks[::-1]  # the end of the prefix is the first to be evicted
        for number in released:
            self.holders[number].remove(request.name)
        idle = [number for number in released if not self.holders[number]]
        self.free.update(dict.fromkeys(idle))
        self._log("free", request, blocks=idle, released=released)
        self.counted["blocks_freed"] += len(idle)
        request.blocks = []

    def _produce(self, request: ToyRequest) -> None:
        request.produced += 1
        if request.produced == 1:
            self._log("first_token", request)
            request.row["first_token_s"] = self.now
        if request.produced == len(request.output):
            self._log("finish", request)
            self._release(request)
            request.row["finished_s"] = self.now
            self.running.remove(request)
        self._state()

    def _log(self, event: str, request: ToyRequest, **more: Any) -> None:
        self.events.append({"t": self.now, "event": event, "request": request.name, **more})

    def _state(self) -> None:
        in_use = sum(map(bool, self.holders.values()))
        self.states.append((self.now, in_use, len(self.waiting)))
