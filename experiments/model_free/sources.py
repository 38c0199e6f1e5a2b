"""Which code decides a result: part of what defines a case, so that changed workers do not pass for the old ones."""

import hashlib
from functools import cache
from pathlib import Path

REPLAYING = ("model_free/worker_*.py",)
_EXPERIMENTS = Path(__file__).resolve().parents[1]


@cache  # a search asks for each of its thousand points
def sources_sha256(patterns: tuple[str, ...]) -> str:
    """Identity of the files below ``experiments/`` that match, by name and content."""
    return content_sha256(patterns, _EXPERIMENTS)


def content_sha256(patterns: tuple[str, ...], below: Path) -> str:
    """Identity of the files below a folder that match, by name and content."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(below.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
