"""The compile-cache sandbox: everything a start writes for later starts lies in one folder that belongs to a session.

Emptied before the warm-up, it makes the warm-up uncached: vLLM's, Inductor's and Triton's caches and ``TMPDIR``, where
Inductor keeps its 156 MB precompiled C++ header whatever its cache folder is.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Variable → the folder of the sandbox that it points to.
PLACES = {
    "VLLM_CACHE_ROOT": "vllm",
    "VLLM_CONFIG_ROOT": "vllm-config",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "CUDA_CACHE_PATH": "cuda",
    "FLASHINFER_WORKSPACE_BASE": "flashinfer",
    "XDG_CACHE_HOME": "xdg",
    "TMPDIR": "tmp",
}


@dataclass(frozen=True)
class Sandbox:
    """Cache folders of one session."""

    folder: Path

    @classmethod
    def of(cls, caches: Path, case: str, session: str) -> "Sandbox":
        """The place of a session below ``caches``; short: sockets that lie in TMPDIR have 107 bytes for a name."""
        return cls(caches / hashlib.sha256(case.encode()).hexdigest()[:8] / session)

    def environment(self) -> dict[str, str]:
        """Variables that point every cache into the sandbox."""
        return {variable: str(self.folder / place) for variable, place in PLACES.items()}

    def prepare(self, empty: bool) -> None:
        """Make the folders; ``empty``: remove what earlier starts left."""
        if empty:
            shutil.rmtree(self.folder, ignore_errors=True)
        for path in self.environment().values():
            Path(path).mkdir(parents=True, exist_ok=True)

    def is_filled(self, at_all: bool = False) -> bool:
        """Whether an earlier start left files; ``at_all``: whether there was one, even if it wrote none."""
        return self.folder.is_dir() if at_all else self.contents()["files"] > 0

    def contents(self) -> dict[str, int]:
        """What the caches hold: files, bytes, and compiled objects (shared libraries, Triton binaries)."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        compiled = [path for path in files if path.suffix in {".so", ".cubin", ".gch"}]
        return {"files": len(files), "bytes": sum(p.stat().st_size for p in files), "compiled": len(compiled)}


def cache_certificate(
    empty: bool, before: dict[str, int], after: dict[str, int], compiling_s: float, must_hit: bool = True
) -> dict[str, Any]:
    """What is proved about the compile caches of one run.

    An uncached start holds if nothing was there before. A cached start that ``must_hit`` holds if something was there
    and the run compiled nothing: it wrote no new object, and spent no time in the compiler's stages behind Dynamo
    (``compiling_s``). The second matters where a start compiles again into files that exist already. A cached start
    that need not hit is declared to begin with whatever the start before it left, and does.
    """
    reason = None
    if empty:
        reason = f"{before['files']} files were in the caches before the start" if before["files"] else None
    elif must_hit and before["files"] == 0:
        reason = "the caches were empty before the start"
    elif must_hit and after["compiled"] > before["compiled"]:
        reason = f"the start compiled {after['compiled'] - before['compiled']} new objects"
    elif must_hit and compiling_s > 0:
        reason = f"the start spent {compiling_s:.2f} s compiling although the caches were filled"
    return {
        "compile_cache": {
            "declared": "empty" if empty else "filled" if must_hit else "as the start before left them",
            "before": before,
            "after": after,
            "compiling_s": compiling_s,
            "holds": reason is None,
            "reason": reason,
        }
    }
