"""What an installed environment says of itself, held against its lock, and what is added to it."""

import importlib.metadata
import re
from pathlib import Path

from harness.errors import HarnessError
from harness.record.wheelhouse import normal_name
from harness.spec.pin import Build, Pin


def check_against_lock(build: Build, site_packages: Path) -> None:
    """Installing torch resolves its dependencies: it must not have replaced a package that the lock fixes.

    Raises:
        HarnessError: it did; names the first one.
    """
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", build.lock.read_text("utf-8"), re.MULTILINE):
        locked.setdefault(normal_name(name), set()).add(version)  # one version per environment marker
    for found in importlib.metadata.distributions(path=[str(site_packages)]):
        versions = locked.get(normal_name(found.name))
        if versions and found.version not in versions:
            locked_as = "/".join(sorted(versions))
            raise HarnessError(
                f"engine {build.name}: installing {build.torch} replaced {found.name} {locked_as} of the "
                f"lock by {found.version}; point TORCH_INDEX_URL at an index whose torch fits the lock"
            )


def name_distribution(pin: Pin, site_packages: Path) -> None:
    """vLLM asks importlib.metadata for a distribution called vllm; CPU wheels are called otherwise."""
    version = f"{pin.vllm_version}+{pin.device}"
    folder = site_packages / f"vllm-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n", encoding="utf-8")
    (folder / "INSTALLER").write_text("harness\n", encoding="utf-8")
