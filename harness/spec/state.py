"""The state that a start is declared to begin from. What is declared here is brought about and proved for every run."""

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from harness.errors import HarnessError

# What a part of the compile caches holds before a start: nothing; what the session's warm-up start left; or what the
# start before left (own starts: whether that hits is for the measurement to tell).
Content = Literal["empty", "warm-up", "keep"]
PATH = "path:"
LEVELS = "ram, ssd, tmpfs or path:DIR"


class StartState(BaseModel):
    """What a measured start finds. A warm-up start finds the same, but empty caches."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    # Where the model's files are read from: ram (resident in the page cache), ssd (evicted from it), tmpfs (a copy in
    # /dev/shm), path:DIR (a copy on another disk, evicted), "as found" (an own start's: only looked at).
    storage: str = "ram"
    # Files of the engine's environment: warm (shared objects resident: nine tenths of the bytes that a start reads of
    # it), all warm (bytecode too), cold (both evicted).
    libraries: Literal["as found", "warm", "all warm", "cold"] = "warm"
    compile_cache: Content = "warm-up"  # vLLM's, Inductor's, Triton's … caches and the precompiled header
    model_info: Content = "warm-up"  # vLLM's answers about model classes (VLLM_CACHE_ROOT/modelinfos)

    @field_validator("storage")
    @classmethod
    def _is_a_level(cls, value: str) -> str:
        if value == "as found" or _is_typed_level(value):
            return value
        raise ValueError(f"'{value}' is no storage level; {LEVELS}")

    @property
    def needs_warm_up(self) -> bool:
        """Whether a warm-up start must have left something for it."""
        return self.compile_cache != "empty" or self.model_info != "empty"

    @property
    def evicts(self) -> bool:
        """Whether files are put out of memory before a start: only then is there something to drop beside them."""
        return is_cold(self.storage) or self.libraries == "cold"

    def of_warm_up(self) -> "StartState":
        """The state of the warm-up start before it."""
        return self.model_copy(update={"compile_cache": "empty", "model_info": "empty"})

    def declared(self) -> dict[str, str]:
        """As it stands in records: a folder only by its last part and a hash, because records travel."""
        return {**self.model_dump(), "storage": storage_name(self.storage)}


def _is_typed_level(text: str) -> bool:
    return text in ("ram", "ssd", "tmpfs") or (text.startswith(PATH) and text != PATH)


def is_cold(level: str) -> bool:
    """Whether the model's files are evicted at a level, or at its name in records."""
    return level == "ssd" or level.startswith(PATH)


def storage_name(level: str) -> str:
    """The level as records have it: ``path:nvme-1a2b3c4d`` for ``path:/mnt/nvme``."""
    if not level.startswith(PATH):
        return level
    folder = Path(level.removeprefix(PATH)).resolve()
    return f"{PATH}{folder.name or 'root'}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def storage_level(text: str) -> str:
    """What ``--storage`` was given. Raises HarnessError if it is no level, or its folder is not there."""
    if not _is_typed_level(text):
        raise HarnessError(f"--storage {text}: no such level; give {LEVELS}")
    if text.startswith(PATH) and not Path(text.removeprefix(PATH)).is_dir():
        raise HarnessError(f"--storage {text}: no such folder; name one on the disk to read from")
    return text


def drops_all(text: str | None) -> bool:
    """What ``--drop-caches`` was given. Raises HarnessError if it is not ``all``."""
    if text not in (None, "all"):
        raise HarnessError(f"--drop-caches {text}: only 'all' (of the machine's page cache) can be dropped")
    return text == "all"
