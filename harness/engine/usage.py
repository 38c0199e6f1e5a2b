"""What a process tree uses: peak memory, CPU seconds, bytes read from disks."""

import resource
import threading

import psutil

SAMPLE_S = 0.5


class Meter:
    """Counts what children of this process use from now on. One at a time: the kernel counts all of them together."""

    def __init__(self) -> None:
        self._before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._sampler: _MemorySampler | None = None

    def watch(self, pid: int) -> None:
        """Sample the memory of the tree whose first process is ``pid``."""
        self._sampler = _MemorySampler(psutil.Process(pid))
        self._sampler.start()

    def stop(self) -> None:
        """Sample no more."""
        if self._sampler is not None:
            self._sampler.stop.set()

    def used(self) -> dict[str, float | int | None]:
        """What was used; CPU and disk are only known of processes that have ended and were waited for."""
        after, peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN), 0
        if self._sampler is not None:
            self._sampler.join()
            peak_bytes = self._sampler.peak_bytes
        return {
            "peak_rss_bytes": peak_bytes or None,
            "cpu_s": round(after.ru_utime + after.ru_stime - self._before.ru_utime - self._before.ru_stime, 3),
            # Blocks of 512 bytes that had to come from a block device, by all processes of the tree.
            "read_bytes": (after.ru_inblock - self._before.ru_inblock) * 512,
        }


class _MemorySampler(threading.Thread):
    """Peak of the tree's resident memory (sum over processes; shared pages count once per process)."""

    def __init__(self, root: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.stop = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        """Sample until told to stop."""
        while not self.stop.wait(SAMPLE_S):
            total = 0
            for process in _tree(self.root):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.peak_bytes = max(self.peak_bytes, total)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    """The process and its living descendants."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []
