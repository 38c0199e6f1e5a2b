"""Keep warm files warm while something starts from them.

A kernel may give up pages that nobody has touched for a while although there is memory to spare (proactive reclaim, as
DAMON's on virtual machines): without this, one part in fifty of a warmed checkpoint was gone ten seconds later. Pages
that a live process maps are spared.
"""

import mmap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import HarnessError


@contextmanager
def kept(paths: Iterable[Path]) -> Iterator[None]:
    """Map the files into this process until the block is left; what is not resident is read.

    Raises:
        HarnessError: a file cannot be mapped.
    """
    with ExitStack() as stack:
        for path in paths:
            try:
                with path.open("rb") as file:
                    if path.stat().st_size:  # nothing can be mapped of an empty one
                        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
                        stack.enter_context(mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ))
            except OSError as error:
                raise HarnessError(f"{path}: {error.strerror}; it cannot be kept in memory") from None
        yield
