"""A small ``vllm`` package with a pin of its own, to patch without an engine."""

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.spec import pin as pins
from harness.spec.pin import PatchedFile, Pin

INIT = '"""A small vllm."""\n\nfrom .version import __version__\n'
CORE = (
    "import time\n\n\nclass Core:\n    def start(self):\n        return 'started'\n\n\ndef main():\n    return Core()\n"
)
EDITS = {
    "vllm/__init__.py": INIT.replace("\nfrom", "\nimport os as _coldstart_os\nfrom"),
    "vllm/v1/core.py": CORE.replace("        return 'st", "        _coldstart_begin = time.time()\n        return 'st"),
}
HOOKS = '[[hook]]\nmodule = "vllm.v1.core"\nname = "Core.start"\nkind = "work"\nphase = "config"\nwhy = "starts"\n'


@dataclass
class FakeEngine:
    """An installed package and the patch set that fits it."""

    site: Path  # the folder that holds vllm/
    patches: Path
    pin: Pin

    @property
    def vllm_dir(self) -> Path:
        return self.site / "vllm"

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its mode, except what Python compiled."""
        found = [path for path in self.site.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return {path.relative_to(self.site).as_posix(): (path.read_bytes(), path.stat().st_mode) for path in found}

    def declare(self, edits: dict[str, str]) -> None:
        """Make ``edits`` (path → content after patching) the pin's patch set."""
        for old in self.pin.diffs:
            old.unlink()
        files = {}
        for number, (path, after) in enumerate(edits.items(), start=1):
            before = PRISTINE[path]
            lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{path}", f"b/{path}")
            (self.pin.folder / f"{number:04}-edit.patch").write_text("Why.\n\n" + "".join(lines))
            files[path] = PatchedFile(pristine_sha256=_sha256(before), patched_sha256=_sha256(after))
        self.pin = self.pin.model_copy(update={"files": files})


PRISTINE = {
    "vllm/__init__.py": INIT,
    "vllm/_version.py": "__version__ = version = '1.2.3'\n",
    "vllm/version.py": "from ._version import __version__\n",
    "vllm/v1/__init__.py": "",
    "vllm/v1/core.py": CORE,
    "other.py": "print('not ours')\n",
}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_fake_engine(root: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """A fake engine in ``root``, whose patches folder replaces the real one."""
    site, patches = root / "site-packages", root / "patches"
    for path, text in PRISTINE.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    (site / "vllm/v1/core.py").chmod(0o600)
    tracer = patches / "tracer" / "coldstart_tracer"
    tracer.mkdir(parents=True)
    (tracer / "__init__.py").write_text("LOADED = True\n")
    (tracer / "_spans.py").write_text("SPANS = []\n")
    (patches / "fake").mkdir()
    (patches / "fake" / "hooks.toml").write_text(HOOKS)
    monkeypatch.setattr(pins, "PATCHES", patches)
    pin = Pin(
        name="fake",
        distribution="vllm-fake",
        version="1.2.3",
        vllm_version="1.2.3",
        device="cpu",
        python=("3.11",),
        torch="torch",
        environment={},
        files={},
    )
    engine = FakeEngine(site, patches, pin)
    engine.declare(EDITS)
    return engine


def restore(engine: FakeEngine, files: dict[str, tuple[bytes, int]]) -> None:
    """Make ``engine.files()`` equal ``files``."""
    for path in set(engine.files()) - set(files):
        (engine.site / path).unlink()
    for path, (data, mode) in files.items():
        (engine.site / path).parent.mkdir(exist_ok=True)
        (engine.site / path).write_bytes(data)
        (engine.site / path).chmod(mode & 0o777)
