"""What happens to requests and blocks during a replay: counted as it happens, and written down event by event.

Both loops and both pools call the same functions, at the same virtual times and in the same order, so that their
results can be compared number by number and line by line. What each number means: docs/prefix-sharing.md.
"""

import csv
import gzip
import io
import json
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from experiments.model_free.worker_contents import ContentBook, Contents, gap_rows
from experiments.model_free.worker_occupancy import Occupancy
from experiments.model_free.worker_trace import TraceRow

REQUEST_COLUMNS = (
    "request_id,session_id,turn,arrival_s,scheduled_s,first_token_s,finished_s,prompt_tokens,output_tokens,"
    "prompt_blocks,hit_tokens,hit_blocks,within_session_hit_blocks,allocated_blocks,preemptions"
).split(",")
OCCUPANCY_COLUMNS = ("begin_s", "end_s", "mean_blocks_in_use", "max_blocks_in_use", "mean_waiting", "max_waiting")


@dataclass(slots=True)
class RequestRecord:
    """One request of the replay, as far as it has come. Times in virtual seconds; None: not yet."""

    row: TraceRow
    scheduled_s: float | None = None
    first_token_s: float | None = None
    finished_s: float | None = None
    hit_tokens: int = 0
    hit_blocks: int = 0
    within_session_hit_blocks: int = 0
    allocated_blocks: int = 0
    preemptions: int = 0
    computed_before: int = 0  # tokens it had computed when it was last preempted
    found_tokens: int = 0  # hit by an admission that waits for a transfer from the host
    loaded_tokens: int = 0  # by that transfer


class Recorder:
    """Counts and writes. ``now`` is the virtual time of whatever is reported next."""

    def __init__(self, folder: Path, block_size: int, events: bool) -> None:
        self.block_size = block_size
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        self.current: RequestRecord | None = None  # whose blocks are being allocated, hit or released
        self._folder = folder
        self.occupancy = Occupancy()
        self._book = ContentBook()
        self._open: dict[str, RequestRecord] = {}
        self._in_order: deque[RequestRecord] = deque()
        self._rows_file, self._rows = _table(folder / "requests.csv", REQUEST_COLUMNS)
        self._gaps_file, self._gaps = _table(folder / "reuse_gaps.csv", ("gap_s", "within_session", "blocks"))
        self._events: IO[str] | None = None
        if events:
            packed = gzip.GzipFile(folder / "events.jsonl.gz", "wb", compresslevel=1, mtime=0)
            self._events = io.TextIOWrapper(packed, encoding="utf-8")

    @property
    def wants_events(self) -> bool:
        """Whether the ids of blocks will be written down; else their number will do."""
        return self._events is not None

    def record_of(self, request_id: str) -> RequestRecord:
        """The record of a request that has arrived and may still hold blocks."""
        return self._open[request_id]

    def arrive(self, row: TraceRow) -> RequestRecord:
        """A request joins the queue: at the end of the step during which it arrived."""
        record = RequestRecord(row)
        self._open[row.request_id] = record
        self._in_order.append(record)
        self.counts["requests"] += 1
        self.counts["prompt_tokens"] += row.prompt_tokens
        self.occupancy.at(self.now)
        self.occupancy.waiting += 1
        self._book.expect(row.contents)
        self.write(
            event="arrive",
            request=row.name,
            session=row.session,
            turn=row.turn,
            arrival_s=row.arrival_s,
            prompt_tokens=row.prompt_tokens,
            output_tokens=row.output_tokens,
        )
        return record

    def expect(self, contents: Contents) -> None:
        """Contents that its row did not have when it arrived: a real engine knows them when they are sampled."""
        self._book.expect(contents)

    def admit(self, record: RequestRecord, hit_tokens: int, resumed: bool) -> None:
        """A waiting request has its first blocks; ``resumed``: after a preemption."""
        self.occupancy.at(self.now)
        self.occupancy.waiting -= 1
        if resumed:
            self.counts["recomputed_tokens"] += max(0, record.computed_before - hit_tokens - record.loaded_tokens)
        else:
            within = record.within_session_hit_blocks * self.block_size
            record.scheduled_s, record.hit_tokens = self.now, hit_tokens
            self.counts["hit_tokens"] += hit_tokens
            self.counts["hit_tokens_within_session"] += within
            self.counts["hit_tokens_across_sessions"] += hit_tokens - within
        record.loaded_tokens = 0
        self.write(event="admit", request=record.row.name, hit_tokens=hit_tokens, resumed=resumed)

    def preempt(self, record: RequestRecord, blocks: int, computed_tokens: int) -> None:
        """A running request is about to lose its blocks and waits again."""
        record.preemptions += 1
        record.computed_before = computed_tokens
        self.counts["preemptions"] += 1
        self.counts["preempted_blocks"] += blocks
        self.occupancy.at(self.now)
        self.occupancy.waiting += 1
        self.write(event="preempt", request=record.row.name, blocks=blocks, computed_tokens=computed_tokens)

    def first_token(self, record: RequestRecord) -> None:
        """The request's first output token is there."""
        record.first_token_s = self.now
        self.write(event="first_token", request=record.row.name)

    def finish(self, record: RequestRecord) -> None:
        """The request's last output token is there; it is about to release its blocks."""
        record.finished_s = self.now
        self.counts["finished"] += 1
        self.counts["output_tokens"] += record.row.output_tokens
        self.write(event="finish", request=record.row.name)
        while self._in_order and self._in_order[0].finished_s is not None:
            self._rows.writerow(_request_row(self._in_order.popleft(), self.block_size))

    def hit(self, blocks: Sequence[int], contents: Contents, newly_used: int) -> None:
        """Cached blocks were given to the current request; ``newly_used`` of them had no user."""
        record = self._whose()
        resumed = record.scheduled_s is not None
        self.occupancy.at(self.now)
        self.occupancy.in_use += newly_used
        if resumed:
            self.counts["blocks_recovered"] += len(contents)
            self._book.use(contents, record.row.session, self.now)
        else:
            within, gaps = self._book.reuse(contents, record.row.session, self.now)
            record.hit_blocks, record.within_session_hit_blocks = len(contents), within
            self.counts["blocks_reused"] += len(contents)
            self.counts["blocks_reused_within_session"] += within
            self.counts["blocks_reused_across_sessions"] += len(contents) - within
            for gap, inside, length in gap_rows(gaps, within):
                self._gaps.writerow((f"{gap:.9f}", int(inside), length))
        if self._events is not None:
            held = {"blocks": list(blocks), "contents": contents.tolist()}
            self.write(event="hit", request=record.row.name, **held, resumed=resumed)

    def alloc(self, count: int, blocks: Sequence[int]) -> None:
        """The current request took ``count`` free blocks (``blocks``, where events are wanted)."""
        record = self._whose()
        record.allocated_blocks += count
        self.counts["blocks_allocated"] += count
        self.occupancy.at(self.now)
        self.occupancy.in_use += count
        if self._events is not None:
            self.write(event="alloc", request=record.row.name, blocks=list(blocks))

    def store(self, contents: Contents, blocks: Sequence[int]) -> None:
        """Full blocks of the current request can be found from now on."""
        record = self._whose()
        self.counts["blocks_stored"] += len(contents)
        self.counts["unique_blocks"] += self._book.store(contents, record.row.session, self.now)
        if self._events is not None:
            self.write(event="store", request=record.row.name, blocks=list(blocks), contents=contents.tolist())

    def evict(self, count: int, blocks: Sequence[int], contents: Sequence[int]) -> None:
        """What ``count`` blocks hold can no longer be found (named where events are wanted)."""
        self.counts["evictions"] += count
        if self._events is not None:
            self.write(event="evict", blocks=list(blocks), contents=list(contents))

    def free(self, freed: int, blocks: Sequence[int], released: Sequence[int]) -> None:
        """The current request let go of ``released`` blocks; ``freed`` of them (``blocks``) have no user any more."""
        self.counts["blocks_freed"] += freed
        self.occupancy.at(self.now)
        self.occupancy.in_use -= freed
        record = self._whose()
        if record.finished_s is not None:
            del self._open[record.row.request_id]
        if self._events is not None:
            self.write(event="free", request=record.row.name, blocks=list(blocks), released=list(released))

    def close(self, steps: int) -> dict[str, int]:
        """Write what is left, close all files; returns the counts."""
        self.occupancy.at(self.now)
        self.write(event="end", steps=steps)
        for record in self._in_order:
            self._rows.writerow(_request_row(record, self.block_size))
        hits_file, hits = _table(self._folder / "block_hits.csv", ("hits", "blocks"))
        hits.writerows(self._book.hit_histogram())
        occupancy_file, occupancy = _table(self._folder / "occupancy.csv", OCCUPANCY_COLUMNS)
        occupancy.writerows(
            (f"{begin:.9f}", f"{end:.9f}", f"{mean:.6f}", most, f"{waiting:.6f}", most_waiting)
            for begin, end, mean, most, waiting, most_waiting in self.occupancy.rows()
        )
        for file in (self._rows_file, self._gaps_file, hits_file, occupancy_file, self._events):
            if file is not None:
                file.close()
        return dict(self.counts)

    def _whose(self) -> RequestRecord:
        assert self.current is not None, "blocks changed hands outside of a request"
        return self.current

    def write(self, **event: Any) -> None:
        """Write an event down, if they are wanted."""
        if self._events is not None:
            self._events.write(json.dumps({"t": self.now, **event}, separators=(",", ":")) + "\n")


def _table(path: Path, columns: Sequence[str]) -> tuple[IO[str], Any]:
    file = path.open("w", encoding="utf-8", newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    return file, writer


def _request_row(record: RequestRecord, block_size: int) -> tuple[Any, ...]:
    row = record.row
    times = (row.arrival_s, record.scheduled_s, record.first_token_s, record.finished_s)
    return (
        row.name,
        row.session or "",
        "" if row.turn is None else row.turn,
        *("" if seconds is None else f"{seconds:.9f}" for seconds in times),
        row.prompt_tokens,
        row.output_tokens,
        -(-row.prompt_tokens // block_size),
        record.hit_tokens,
        record.hit_blocks,
        record.within_session_hit_blocks,
        record.allocated_blocks,
        record.preemptions,
    )
