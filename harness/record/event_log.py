"""events.jsonl.gz of a replay: one event a line, read one at a time and from anywhere."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.record.bounded import DECODER, UnreadableError, open_regular
from harness.record.plain import printable
from harness.record.replay_rows import ReplayError

_MAX_PACKED = 64 << 30  # compressed; it is streamed
_MAX_LINE = 64 << 20  # an event that names five million blocks


def read_events(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and event, in the order of the log.

    Raises:
        ReplayError: it cannot be read, is cut off, or a line is no JSON object.
    """
    number = 0
    try:
        with open_regular(path, _MAX_PACKED) as packed, gzip.open(packed, "rb") as file:
            while line := file.readline(_MAX_LINE + 1):
                number += 1
                if len(line) > _MAX_LINE or not line.endswith(b"\n"):
                    raise ReplayError(f"{path}: line {number}: cut off, or longer than {_MAX_LINE >> 20} MiB")
                event = DECODER.decode(line.decode("utf-8"))
                if not isinstance(event, dict):
                    raise ReplayError(f"{path}: line {number}: not a JSON object")
                yield number, event
    except UnreadableError as error:
        raise ReplayError(f"{path}: not readable ({error})") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ReplayError(f"{path}: damaged after line {number} ({printable(str(error), 100)})") from None
    except OSError as error:
        raise ReplayError(f"{path}: not readable ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ReplayError):
            raise
        raise ReplayError(f"{path}: line {number}: not JSON ({printable(str(error), 100)})") from None
