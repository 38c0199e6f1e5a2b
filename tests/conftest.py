"""What takes long to make and can be shared by every test."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python for which ``python -m venv DIR`` takes a moment: it copies an environment that was made once."""
    folder = tmp_path_factory.mktemp("quick")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "template")], check=True)
    python = folder / "python"
    python.write_text(
        f"""#!/bin/sh
if [ "$1 $2 $#" = "-m venv 3" ] && [ ! -e "$3" ]; then
  mkdir -p "$(dirname "$3")" && exec cp -r {folder}/template "$3"
fi
exec {sys.executable} "$@"
"""
    )
    python.chmod(0o755)
    return python
