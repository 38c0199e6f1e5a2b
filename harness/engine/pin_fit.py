"""Which CUDA pin a machine can run, and why not another: driver → CUDA → torch → vLLM, and the GPU's own kernels.

Pure: what the machine has is given (``Host``), what a pin needs stands in its ``pin.yaml``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from packaging.version import Version

from harness.spec.pin import DEFAULT_CUDA_PIN, Build, Pin

# The oldest driver that runs programs built with any CUDA of this major version ("minor version compatibility").
OLDEST_DRIVER = {"11": "450", "12": "525", "13": "580"}
NO_CUDA = "libcuda.so.1, the driver's CUDA, is not here"
TO_HAVE_CUDA = "in a container: NVIDIA_DRIVER_CAPABILITIES=compute,utility"


@dataclass(frozen=True)
class Reused:
    """A Python whose torch an engine is to use."""

    python: str  # its path
    version: str  # 3.12
    torch: str | None  # 2.11.0+cu130; None: it has none


@dataclass(frozen=True)
class Host:
    """What of a machine decides which engine runs there."""

    driver: str | None
    cuda: str | None  # the newest that the driver runs, e.g. 13.0
    gpus: tuple[tuple[str, str | None], ...]  # name and compute capability (9.0; None: not told) of the visible ones
    python: str  # 3.11, that engines are made with
    reused: Reused | None = None
    unasked: str | None = None  # why a driver that is there does not let itself be asked for its GPUs


@dataclass(frozen=True)
class Fit:
    """Whether a pin runs on a host. ``why_not``: one sentence for each reason; none: it fits as far as can be told."""

    pin: Pin
    chain: str  # what was looked at, link by link
    why_not: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.why_not

    @property
    def line(self) -> str:
        """The chain, or what breaks it."""
        return self.chain if self.fits else "; ".join(self.why_not)


def fit(pin: Pin, host: Host) -> Fit:
    """Hold a CUDA pin against a host."""
    if not host.gpus:
        return Fit(pin, "", ("no NVIDIA GPU that a start may use",))
    checks = (_driver(pin, host), _kernels(pin, host), _python(pin, host), _torch(pin, host))
    return Fit(pin, _chain(pin, host), tuple(reason for reason in checks if reason))


def choose(fits: Sequence[Fit]) -> Fit | None:
    """The CUDA pin to measure with unless another one is named: the paper's if it fits, else the newest that does."""
    possible = [each for each in fits if each.fits]
    papers = next((each for each in possible if each.pin.name == DEFAULT_CUDA_PIN), None)
    return papers or max(possible, key=lambda each: Version(each.pin.vllm_version), default=None)


def _driver(pin: Pin, host: Host) -> str | None:
    """A driver runs every CUDA of its own major version and of older ones."""
    if host.driver is not None and host.cuda is None:
        return f"{NO_CUDA} ({TO_HAVE_CUDA})"
    if pin.cuda is None or host.cuda is None or _major(host.cuda) >= _major(pin.cuda):
        return None
    oldest = OLDEST_DRIVER.get(pin.cuda.partition(".")[0])
    return (
        f"driver {host.driver} runs CUDA up to {host.cuda}, and {_its_torch(pin)} needs CUDA {pin.cuda}"
        f"{f' (driver {oldest} or newer)' if oldest else ''}"
    )


def _kernels(pin: Pin, host: Host) -> str | None:
    """Machine code runs on GPUs of its own major version with the same minor version or a later one."""
    if pin.compute_capability is None:
        return None
    oldest, newest = pin.compute_capability
    for name, capability in host.gpus:
        if capability is None:
            continue
        if Version(capability) < Version(oldest) or _major(capability) > _major(newest):
            return f"{_its_torch(pin)} has kernels for compute capability {oldest} to {newest}, {name} is {capability}"
    return None


def _python(pin: Pin, host: Host) -> str | None:
    version = host.reused.version if host.reused else host.python
    if version in pin.python:
        return None
    whose = f"{host.reused.python} is" if host.reused else "this is"
    return f"it needs Python {' or '.join(pin.python)}, {whose} {version}"


def _torch(pin: Pin, host: Host) -> str | None:
    """A reused Python must bring the pin's torch, in a build for its device."""
    if host.reused is None:
        return None
    wanted, found = pin.torch.partition("==")[2], host.reused.torch
    other = found is not None and is_other_build(pin, found)
    if found is not None and found.partition("+")[0] == wanted and not other:
        return None
    wanted += its_build(pin) if other else ""
    return f"it needs torch {wanted}, {host.reused.python} has {f'torch {found}' if found else 'none'}"


def is_other_build(build: Build, version: str) -> bool:
    """Whether the local part of a package's version says that it was built for another device than a CUDA build's.

    ``+cpu``, and ``+cu128`` for a pin of CUDA 13. Whoever builds torch may write there what they like: anything else,
    and no local part (as the index has torch), says nothing.
    """
    local = version.partition("+")[2]
    if build.device != "cuda":
        return False
    major = re.fullmatch(r"cu([0-9]+)[0-9]", local)
    wanted = build.cuda if isinstance(build, Pin) else None
    return local == "cpu" or (major is not None and wanted is not None and int(major[1]) != _major(wanted))


def its_build(build: Build) -> str:
    """What of a CUDA build's packages must be the same, to be put behind the wanted version."""
    cuda = build.cuda if isinstance(build, Pin) else None
    return f" for CUDA {_major(cuda)}" if cuda else " for CUDA"


def _chain(pin: Pin, host: Host) -> str:
    cuda = f" (CUDA {pin.cuda})" if pin.cuda else ""
    links = [f"driver {host.driver}", f"CUDA ≤ {host.cuda}", f"{_its_torch(pin)}{cuda}", f"vLLM {pin.vllm_version}"]
    own = ", ".join(
        f"{name} is {capability}" if capability else f"{name} does not tell its own"
        for name, capability in dict.fromkeys(host.gpus)
    )
    kernels = f"; kernels for {'…'.join(pin.compute_capability)}, {own}" if pin.compute_capability else ""
    return f"{' → '.join(links)}{kernels}"


def _its_torch(pin: Pin) -> str:
    return pin.torch.replace("==", " ")


def _major(version: str) -> int:
    return int(version.partition(".")[0])
