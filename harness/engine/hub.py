"""The model hub: what a repository holds at which commit, and the transfer of its files.

Everything goes through huggingface_hub: the token (``HF_TOKEN`` or the hub's login), ``HF_ENDPOINT``, proxies, parallel
transfers, repeated tries. ``HarnessError`` is the only thing that comes out of here.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

# A download says to the hub which library asks, and nothing about the machine.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from huggingface_hub import HfApi
from huggingface_hub.utils.tqdm import disable_progress_bars

from harness.engine import pytorch_weights
from harness.engine.hub_errors import hub_errors
from harness.errors import HarnessError

# Its warnings have several lines each; what ends a download is an error of ours.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)

LISTING_TIMEOUT_S = 20.0
PARALLEL_FILES = 4
# What an engine reads. Not here: other formats of the same weights (.pth, .gguf, original/, onnx/), pages.
WANTED = (
    "*.safetensors",
    "model.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "*.tiktoken",
    "chat_template*",
    "*.py",
)
# Only where a repository has no safetensors: figure 1's OPT.
IN_PYTORCHS_FORMAT = (pytorch_weights.PATTERN, pytorch_weights.INDEX)
# A second copy of Mistral's weights, in their own layout.
UNWANTED = ("consolidated*",)


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it. One of the hashes is known: large files have a SHA-256, small ones git's."""

    name: str
    bytes: int
    sha256: str | None
    git_sha1: str | None


@dataclass(frozen=True)
class Listing:
    """The files of a repository that an engine needs, at one commit."""

    hub_id: str
    commit: str
    files: tuple[HubFile, ...]

    @property
    def bytes(self) -> int:
        """Size of them all."""
        return sum(file.bytes for file in self.files)


def wanted(names: Iterable[str]) -> set[str]:
    """Which files of a repository an engine needs. Only the repository's own folder counts."""
    here = [name for name in names if not _fits(name, ("*/*", *UNWANTED))]
    safetensors = any(name.endswith(".safetensors") for name in here)
    return {name for name in here if _fits(name, WANTED if safetensors else (*WANTED, *IN_PYTORCHS_FORMAT))}


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def commit_of_main(hub_id: str) -> str:
    """The commit that the hub's ``main`` of this repository is at now."""
    with hub_errors(hub_id, None):
        return _commit(HfApi().model_info(hub_id, timeout=LISTING_TIMEOUT_S).sha, hub_id)


def listing(hub_id: str, revision: str | None) -> Listing:
    """What the hub holds of ``hub_id`` at ``revision`` (None = main) that an engine needs; access is checked too.

    Raises:
        HubUnreachable: no network, or the hub is off by HF_HUB_OFFLINE.
        HarnessError: unknown repository or commit, no access, no weights in a format that an engine reads.
    """
    with hub_errors(hub_id, revision):
        api = HfApi()
        info = api.model_info(hub_id, revision=revision, files_metadata=True, timeout=LISTING_TIMEOUT_S)
        if info.gated:  # the listing is public, the files are not: find out before anything begins
            api.auth_check(hub_id)
    needed = wanted(each.rfilename for each in info.siblings or ())
    files = tuple(
        HubFile(each.rfilename, each.size or 0, each.lfs.sha256 if each.lfs else None, each.blob_id)
        for each in info.siblings or ()
        if each.rfilename in needed
    )
    if not any(file.name.endswith((".safetensors", ".bin")) for file in files):
        raise HarnessError(
            f"{hub_id} has neither safetensors nor {pytorch_weights.PATTERN} at {info.sha}; use --synthetic, or place "
            "converted ones"
        )
    return Listing(hub_id, _commit(info.sha, hub_id), files)


def fetch(listed: Listing, folder: Path) -> None:
    """Transfer the files into ``folder``, several at once; those that lie there complete are not asked for again.

    Raises:
        HubUnreachable: no network.
        HarnessError: refused, broken off, or no space left. What is complete stays in ``folder``.
    """
    if not (sys.stderr and sys.stderr.isatty()):  # None where it is closed
        disable_progress_bars()  # one of them is drawn into files too
    with hub_errors(listed.hub_id, listed.commit):
        HfApi().snapshot_download(
            listed.hub_id,
            revision=listed.commit,
            local_dir=folder,
            allow_patterns=[file.name for file in listed.files],
            max_workers=PARALLEL_FILES,
        )


def _commit(sha: str | None, hub_id: str) -> str:
    if sha is None or not re.fullmatch(r"[0-9a-f]{40}", sha):
        raise HarnessError(f"{hub_id}: the hub names no commit; is HF_ENDPOINT a model hub?")
    return sha
