"""A new folder that appears when it is whole: made under a hidden name, renamed at the end."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder under a hidden name that becomes ``out`` when all is done; nothing stays of one that was not.

    Raises:
        HarnessError: ``out`` is there and not an empty folder, or cannot be made.
    """
    out = out.absolute()
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise HarnessError(f"{out} is not an empty folder; name a new one")
        out.parent.mkdir(parents=True, exist_ok=True)
        making = out.with_name(f".{out.name}.making-{secrets.token_hex(4)}")
        making.mkdir()
    except OSError as error:
        raise HarnessError(f"{error.filename or out}: cannot be made: {error.strerror}; name another folder") from None
    try:
        yield making
        try:
            making.rename(out)  # in the place of an empty folder, never of another one
        except OSError as error:
            raise HarnessError(f"{out}: cannot be made: {error.strerror}; name another folder") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
