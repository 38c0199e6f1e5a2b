"""A pin called ``fake`` whose lock names tiny wheels, an "index" that has them, and wheelhouses built from it."""

import shutil
import sys
from pathlib import Path

import pytest

from harness.engine import wheel_lock
from harness.engine.wheel_build import Asked, build_wheelhouse
from harness.engine.wheel_lock import Target
from harness.record.wheelhouse import Wheelhouse, sha256_of
from harness.spec import pin as pins
from harness.spec.pin import Pin
from tests.wheels import make_wheel, only_these_wheels

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORM = "manylinux_2_5_x86_64"  # any glibc has it
TINY = ("tinyvllm==1.0", "tinylib==3.1", "tinytorch==2.0", "tinycuda==12.8", "tinytool==0.1")


class TinyIndex:
    """``root/index`` has the wheels of ``TINY``; the lock names all but tinytorch and tinytool (the harness's)."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.index = root, root / "index"
        self.told: list[str] = []
        self.lines = {each: make_wheel(self.index, *each.split("==")) for each in TINY}
        (root / "patches" / "fake").mkdir(parents=True)
        self.lock("tinyvllm==1.0", "tinylib==3.1", "tinycuda==12.8")
        (root / "requirements.txt").write_text("# the harness's\ntinytool==0.1\ntinylib==3.1  # shared\n")
        monkeypatch.setattr(pins, "PATCHES", root / "patches")
        monkeypatch.setattr(wheel_lock, "REQUIREMENTS", root / "requirements.txt")
        monkeypatch.delenv("TORCH_INDEX_URL", raising=False)
        for name in ("HARNESS_WHEELHOUSE", "HARNESS_REUSE_PYTHON"):
            monkeypatch.delenv(name, raising=False)
        only_these_wheels(self.index, monkeypatch)

    def lock(self, *packages: str) -> None:
        text = "".join(self.lines[each] for each in packages)
        (self.root / "patches" / "fake" / "requirements.lock").write_text(
            text + "tinywin==1.0 ; sys_platform == 'win32' --hash=sha256:" + "0" * 64 + "\n"
        )

    def pin(self, torch: str | None = "tinytorch==2.0") -> Pin:
        return Pin(
            name="fake",
            distribution="tinyvllm",
            version="1.0",
            vllm_version="1.0",
            device="cpu",
            python=(HERE,),
            torch=torch or "tinylib==3.1",
            environment={},
            files={},
        )

    def asked(self, **changed: object) -> Asked:
        values = {"build": self.pin(), "target": Target(HERE, PLATFORM), "dest": self.root / "wheelhouse"}
        return Asked(**{**values, **changed})  # type: ignore[arg-type]

    def build(self, **changed: object) -> Wheelhouse:
        self.told.clear()
        return build_wheelhouse(self.asked(**changed), self.told.append)

    def copying_pip(self, command: list[str]) -> tuple[int, str]:
        """What ``pip download`` and ``pip wheel`` do, as far as it matters here."""
        if "wheel" in command:
            return 1, "ERROR: no source archive either"
        out = Path(command[command.index("--dest") + 1])
        out.mkdir(exist_ok=True)
        if "--requirement" in command:
            lines = Path(command[command.index("--requirement") + 1]).read_text().splitlines()
        else:
            lines = [command[-1], "tinylib==3.1"]  # with what it depends on
        for line in lines:
            package, *hashes = line.split(" --hash=sha256:")
            found = list(self.index.glob(f"{package.replace('==', '-')}-*.whl"))
            if not found or not any(f"-{tag}.whl" in found[0].name for tag in ["any", *command]):
                return 1, f"ERROR: No matching distribution found for {package}"
            if hashes and sha256_of(found[0]) not in hashes:
                return 1, f"ERROR: THESE PACKAGES DO NOT MATCH THE HASHES: {package}"
            shutil.copy(found[0], out)
        return 0, ""

    def unreachable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on there is no network, and pip is configured to ask an index that does not answer."""
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.delenv("PIP_CONFIG_FILE")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_CONSTRAINT", str(self.root / "a constraint that is not there"))
        self.index.rename(self.root / "an index that is gone")
