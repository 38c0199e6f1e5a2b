"""The command that installs a package of the operating system."""

import os
import shutil
import sys

_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

# Package manager → its command, and the names under which it has what an engine needs.
_MANAGERS = {
    "apt-get": (  # a fresh container has no package lists
        "{sudo}apt-get update && {sudo}apt-get install -y {package}",
        {"g++": "g++", "git": "git", "headers": f"{_PYTHON}-dev", "venv": f"{_PYTHON}-venv"},
    ),
    "dnf": (
        "{sudo}dnf install -y {package}",
        {"g++": "gcc-c++", "git": "git", "headers": f"{_PYTHON}-devel", "venv": _PYTHON},
    ),
    "zypper": (
        "{sudo}zypper install -y {package}",
        {"g++": "gcc-c++", "git": "git", "headers": f"{_PYTHON.replace('.', '')}-devel", "venv": _PYTHON},
    ),
    "pacman": (
        "{sudo}pacman -S --noconfirm {package}",
        {"g++": "gcc", "git": "git", "headers": "python", "venv": "python"},
    ),
}


def install_command(what: str) -> str | None:
    """How to install ``g++``, ``git``, ``headers`` or ``venv`` here; None: no package manager that is known."""
    for manager, (command, names) in _MANAGERS.items():
        if shutil.which(manager):
            return command.format(sudo="" if os.geteuid() == 0 else "sudo ", package=names[what])
    return None
