"""The operating system, Python and the compiler: what an engine is installed with and compiles with."""

import importlib.util
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from harness import bootstrap
from harness.doctor.check import Check
from harness.doctor.packages import install_command
from harness.engine.wheel_source import source_of
from harness.record.plain import printable
from harness.spec.pin import Pin
from harness.state import readings

# Machines that the wheels of the locks are for.
_MACHINES = ("x86_64", "AMD64")


def tool_checks(pin: Pin) -> Iterable[Check]:
    """What must be there before the engine ``pin`` can be installed, patched and started."""
    yield _system()
    yield _instructions(pin)
    yield _python(pin)
    # Inductor compiles its kernels in C++, on a GPU Triton its launchers in C, against Python.h.
    yield _headers()
    yield _tool("g++", "a C++ compiler", shutil.which("g++") is not None, "the engine compiles C++ when it starts")
    yield _tool("git", "git", shutil.which("git") is not None, "applies the engine's patches")


def _headers() -> Check:
    """Of the Python that engines are made with."""
    needed = "what the engine compiles includes it"
    if reused := source_of().reused:
        found = f"{reused.python} has no {', no '.join(reused.lacks)}"
        what = f"Python.h: {needed}"
        return (
            Check("headers", "cannot", printable(found), what)
            if reused.lacks
            else Check("headers", "ok", "found", what)
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    return _tool("headers", "Python.h", header.exists(), needed)


def _system() -> Check:
    found = f"{platform.system()} on {platform.machine()}"
    library = platform.libc_ver()[0]
    fits = platform.system() == "Linux" and platform.machine() in _MACHINES and library == "glibc"
    found = printable(f"{found}, {library}" if library else found)
    return Check("system", "ok" if fits else "cannot", found, "Linux on x86-64 with glibc: vLLM's wheels are for it")


def _instructions(pin: Pin) -> Check:
    text = (readings.PROC / "cpuinfo").read_text(encoding="utf-8", errors="replace")
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    has = [name for name in ("avx2", "avx512f") if name in flags]
    fits = bool(has) or pin.device == "cuda" or not flags
    found = ", ".join(has) if has else "neither avx2 nor avx512f" if flags else "unknown"
    return Check("instructions", "ok" if fits else "cannot", found, "avx2 or avx512f: vLLM's CPU kernels are for these")


def _python(pin: Pin) -> Check:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    needed = f"Python {' or '.join(pin.python)} with venv"
    if version not in pin.python or sys.version_info[:2] not in bootstrap.SUPPORTED:
        other = next((f"python{each}" for each in pin.python if shutil.which(f"python{each}")), None)
        fix = f"HARNESS_PYTHON={other} bash run_tests.sh --setup-only" if other else None
        return Check("python", "missing" if fix else "cannot", f"Python {version}", needed, fix)
    if importlib.util.find_spec("ensurepip") is None:
        return _lack("python", f"Python {version} without venv", needed, install_command("venv"))
    return Check("python", "ok", f"Python {platform.python_version()}", needed)


def _tool(name: str, what: str, there: bool, needed: str) -> Check:
    if there:
        return Check(name, "ok", "found", f"{what}: {needed}")
    return _lack(name, "not found", f"{what}: {needed}", install_command(name))


def _lack(name: str, found: str, needed: str, fix: str | None) -> Check:
    return Check(
        name, "missing" if fix else "cannot", found if fix else f"{found}; no known package manager", needed, fix
    )
