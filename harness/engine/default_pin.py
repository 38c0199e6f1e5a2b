"""The engine that this machine measures with unless another one is named, and whether a named one can work here."""

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass

from harness.engine import detect
from harness.engine.pin_fit import Fit, Host, Reused, choose, fit
from harness.errors import HarnessError
from harness.spec.pin import DEFAULT_CPU_PIN, DEFAULT_CUDA_PIN, Pin, load_pin, pin_names

REUSE_PYTHON = "HARNESS_REUSE_PYTHON"
_ASK_S = 60.0
_ASK = """
import importlib.metadata, json, sys
try:
    torch = importlib.metadata.version("torch")
except importlib.metadata.PackageNotFoundError:
    torch = None
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "torch": torch}))
"""


@dataclass(frozen=True)
class Choice:
    """The engine of this machine, and why. ``usual``: the one that a machine with or without a GPU gets as a rule."""

    pin: str
    why: str
    usual: bool = True


def this_host() -> Host:
    """What of this machine decides which engine runs.

    Raises:
        HarnessError: CUDA_VISIBLE_DEVICES names no GPU here, or HARNESS_REUSE_PYTHON no Python.
    """
    visible = detect.visible_gpus()
    versions = detect.driver_versions() if visible else {}
    path = os.environ.get(REUSE_PYTHON)
    return Host(
        driver=versions.get("driver_version"),
        cuda=versions.get("cuda_version"),
        gpus=tuple((gpu["name"], detect.compute_capability(gpu["uuid"])) for gpu in visible),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        reused=look_at_python(path) if path else None,
    )


def fits_here(host: Host) -> list[Fit]:
    """Every CUDA pin, held against the host."""
    pins = [load_pin(name) for name in pin_names()]
    return [fit(pin, host) for pin in pins if pin.device == "cuda"]


def choice(host: Host) -> Choice:
    """The paper's CUDA pin if it fits, else the newest CUDA pin that does, else the embedded CPU pin."""
    if not host.gpus:
        return Choice(DEFAULT_CPU_PIN, "no NVIDIA GPU that a start may use")
    fits = fits_here(host)
    chosen = choose(fits)
    if chosen is not None and chosen.pin.name == DEFAULT_CUDA_PIN:
        return Choice(chosen.pin.name, "the paper's, and it fits")
    against = "; ".join(f"{each.pin.name}: {each.line}" for each in fits if not each.fits)
    if chosen is not None:
        return Choice(chosen.pin.name, f"the newest CUDA pin that fits ({against})", usual=False)
    return Choice(DEFAULT_CPU_PIN, f"no CUDA pin fits ({against})", usual=False)


def default_pin() -> str:
    """Name of the pin that ``choice`` gives for this machine."""
    return choice(this_host()).pin


def note_on_default() -> str | None:
    """What is to be said when this machine's own engine is taken: why it is not the paper's; None: nothing."""
    chosen = choice(this_host())
    return None if chosen.usual else f"engine {chosen.pin}: {chosen.why}"


def check_fit(pin: Pin) -> None:
    """Make sure that a start of this pin can work here, as far as that can be known before.

    Raises:
        HarnessError: no GPU, a driver that is too old, no kernels for this GPU; the wrong Python or torch.
    """
    if pin.device != "cuda":
        return
    host = this_host()
    if not host.gpus:
        raise HarnessError(
            f"engine {pin.name} needs an NVIDIA GPU and its driver, found none; try --engine {DEFAULT_CPU_PIN}"
        )
    if not (found := fit(pin, host)).fits:
        raise HarnessError(f"engine {pin.name} cannot run here: {found.line}; try --engine {choice(host).pin}")


@functools.cache
def look_at_python(path: str) -> Reused:
    """Version and torch of another Python, which is only asked.

    Raises:
        HarnessError: there is none, or it does not answer.
    """
    try:
        done = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=_ASK_S, check=True)
        said = json.loads(done.stdout.splitlines()[-1])
        return Reused(path, str(said["version"]), said["torch"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it does not answer as a Python does"
        raise HarnessError(f"{REUSE_PYTHON}={path}: {why}; name the interpreter whose torch is to be used") from None
