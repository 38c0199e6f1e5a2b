"""What a simulation keeps of each replica: counts, and the requests that ended, with their times.

A replay's recorder writes every event into files and remembers every content: once, not for each of 64 replicas.
"""

from collections import Counter
from collections.abc import Sequence

from experiments.model_free.worker_contents import Contents
from experiments.model_free.worker_occupancy import Occupancy
from experiments.model_free.worker_recorder import Recorder, RequestRecord
from experiments.model_free.worker_trace import TraceRow


class Tally(Recorder):
    """A recorder without files. ``ended``: requests that ended since somebody took them out, in order."""

    def __init__(self, block_size: int) -> None:
        self.block_size = block_size
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        self.current: RequestRecord | None = None
        self.occupancy = Occupancy()
        self.ended: list[RequestRecord] = []
        self._open: dict[str, RequestRecord] = {}
        self._events = None

    def arrive(self, row: TraceRow) -> RequestRecord:
        """A request joins the queue."""
        self._open[row.request_id] = record = RequestRecord(row)
        self.counts["requests"] += 1
        self.counts["prompt_tokens"] += row.prompt_tokens
        return record

    def finish(self, record: RequestRecord) -> None:
        """The request's last output token is there."""
        record.finished_s = self.now
        self.counts["finished"] += 1
        self.counts["output_tokens"] += record.row.output_tokens
        self.ended.append(record)

    def hit(self, blocks: Sequence[int], contents: Contents, newly_used: int) -> None:
        """Cached blocks were given to the current request."""
        del blocks, newly_used
        record = self._whose()
        if record.scheduled_s is None:
            record.hit_blocks = len(contents)
            self.counts["blocks_reused"] += len(contents)

    def alloc(self, count: int, blocks: Sequence[int]) -> None:
        """The current request took free blocks."""
        del blocks
        self.counts["blocks_allocated"] += count

    def store(self, contents: Contents, blocks: Sequence[int]) -> None:
        """Full blocks can be found from now on."""
        del blocks
        self.counts["blocks_stored"] += len(contents)

    def evict(self, count: int, blocks: Sequence[int], contents: Sequence[int]) -> None:
        """What blocks hold can no longer be found."""
        del blocks, contents
        self.counts["evictions"] += count

    def free(self, freed: int, blocks: Sequence[int], released: Sequence[int]) -> None:
        """The current request let go of blocks."""
        del freed, blocks, released
        record = self._whose()
        if record.finished_s is not None:
            del self._open[record.row.request_id]
