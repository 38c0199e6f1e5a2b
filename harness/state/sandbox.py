"""The cache sandbox: everything a start writes for later starts lies in one folder that belongs to this run.

    <caches>/<case>/<session>/run/       what the engine's variables point to; made anew for every run
    <caches>/<case>/<session>/warm-up/   what the session's warm-up start left: the content that later runs begin with

The path is the same for every run of a session, because some caches have it in their keys. Bytecode is no cache here:
it belongs to an installed engine, is complete after set-up, and no run of a pinned engine writes any.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.spec.state import StartState

# Variable → the folder of the sandbox that it points to.
PLACES = {
    "HOME": "home",  # what knows no variable writes below it
    "VLLM_CACHE_ROOT": "vllm",
    "VLLM_CONFIG_ROOT": "vllm-config",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",  # vLLM sets a folder of its own, below VLLM_CACHE_ROOT, where it compiles
    "TORCH_EXTENSIONS_DIR": "torch-extensions",
    "TRITON_CACHE_DIR": "triton",
    "CUDA_CACHE_PATH": "cuda",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    "DG_JIT_CACHE_DIR": "deep-gemm",
    "NUMBA_CACHE_DIR": "numba",
    "OUTLINES_CACHE_DIR": "outlines",
    "HF_MODULES_CACHE": "hf-modules",  # code that comes with a model
    "XDG_CACHE_HOME": "xdg",
    "TMPDIR": "tmp",  # Inductor keeps its 156 MB precompiled C++ header here, whatever its cache folder is
}
MODEL_INFO = "vllm/modelinfos"
WHOLE_BYTES, END_BYTES = 4 << 20, 1 << 20  # hashing all of a larger file would take longer than all other proofs
COMPILED = {".so", ".cubin", ".gch"}  # shared libraries, Triton binaries, precompiled headers


@dataclass(frozen=True)
class Inventory:
    """What a part of the sandbox holds. ``sha256`` is over names and contents; ``compiled`` counts compiled objects."""

    files: int
    bytes: int
    compiled: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """Both parts of a sandbox: what is known about model classes, and everything else."""

    compile_cache: Inventory
    model_info: Inventory


@dataclass(frozen=True)
class Sandbox:
    """Cache folders of one session."""

    folder: Path

    @classmethod
    def of(cls, caches: Path, case: str, session: str) -> "Sandbox":
        """The place of a session below ``caches``; short: sockets that lie in TMPDIR have 107 bytes for a name."""
        return cls(caches / hashlib.sha256(case.encode()).hexdigest()[:8] / session)

    @property
    def run(self) -> Path:
        """What the run in progress, or the last one, writes to."""
        return self.folder / "run"

    @property
    def warm_up(self) -> Path:
        """What the warm-up start left."""
        return self.folder / "warm-up"

    def environment(self) -> dict[str, str]:
        """Variables that point every cache into the sandbox."""
        return {variable: str(self.run / place) for variable, place in PLACES.items()}

    def fill(self, state: StartState) -> None:
        """Make the folders, with the content that ``state`` declares.

        Raises:
            OSError: it cannot be written.
        """
        if state.compile_cache != "keep":
            shutil.rmtree(self.run, ignore_errors=True)
            for part in ("compile_cache", "model_info"):
                if getattr(state, part) == "warm-up":
                    for path in _files(self.warm_up, part):
                        _copy(path, self.run / path.relative_to(self.warm_up))
        for path in map(Path, self.environment().values()):
            path.mkdir(parents=True, exist_ok=True)

    def keep_as_warm_up(self) -> None:
        """What the run left is what later runs begin with."""
        shutil.rmtree(self.warm_up, ignore_errors=True)
        self.run.rename(self.warm_up)

    def is_filled(self, state: StartState, left: Mapping[str, str | None]) -> bool:
        """Whether there is what a start in ``state`` begins with; ``left``: part → hash of what the warm-up left.

        Where no hash is recorded (None), no run could prove that it began with that.
        """
        if state.compile_cache == "keep":
            return self.run.is_dir()  # an own start may have written nothing
        found = ((_inventory(self.warm_up, part).sha256, sha256) for part, sha256 in left.items())
        return self.warm_up.is_dir() and all(one == other for one, other in found)

    def contents(self) -> Contents:
        """What the run's folders hold now."""
        return Contents(_inventory(self.run, "compile_cache"), _inventory(self.run, "model_info"))


def _files(root: Path, part: str) -> Iterator[Path]:
    """Regular files of one part, in a fixed order. Sockets and links are no content."""
    info = root / MODEL_INFO
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.is_relative_to(info) == (part == "model_info"):
            yield path


def _copy(path: Path, target: Path) -> None:
    """Copy with times (a cache may compare them) and onto the disk: writing it back would disturb the start."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _inventory(root: Path, part: str) -> Inventory:
    digest, files, size, compiled = hashlib.sha256(), 0, 0, 0
    for path in _files(root, part):
        digest.update(f"{path.relative_to(root)}\0{_content(path)}\n".encode())
        files += 1
        size += path.stat().st_size
        compiled += path.suffix in COMPILED
    return Inventory(files, size, compiled, digest.hexdigest())


def _content(path: Path) -> str:
    """SHA-256 of a file; of a large one (the precompiled header, 156 MB) of its ends, with its size and time."""
    status = path.stat()
    with path.open("rb") as file:
        if status.st_size <= WHOLE_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode() + file.read(END_BYTES))
        file.seek(-END_BYTES, os.SEEK_END)
        return hashlib.sha256(digest.digest() + file.read()).hexdigest()
