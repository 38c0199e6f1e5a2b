"""The Python sources of a vllm release, from its source distribution: fetched by pip once, never installed."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


def vllm_sources(version: str, cache: Path) -> Path:
    """The folder that holds ``vllm/`` of ``version``, kept in ``cache``. Unfetchable: a skip; under CI a failure.

    CPU wheels are built from the same sources: the pristine hashes in their pins are those of these files.
    Sizes: 0.10.1.1 10.5 MB, 0.32.0 44.5 MB.
    """
    kept = cache / f"vllm-{version}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            # pip unpacks the archive to read its metadata, which fails without torch; --no-clean keeps the files.
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "vllm"]
            command += ["--no-clean", "--no-build-isolation", "--dest", folder, f"vllm=={version}"]
            done = subprocess.run(
                command, env=os.environ | {"TMPDIR": folder}, capture_output=True, text=True, check=False
            )
            unpacked = sorted(Path(folder).glob("pip-*/vllm*/vllm/__init__.py"))
            if not unpacked:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                give_up = pytest.fail if os.environ.get("CI") else pytest.skip
                give_up(f"sources of vllm {version} cannot be fetched (no network?): {last}")
            shutil.copytree(unpacked[0].parent, Path(folder) / "kept" / "vllm", ignore=_all_but_python)
            (Path(folder) / "kept").rename(kept)
    return kept


def _all_but_python(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()}
