"""What tests are compared with and no checkout holds: the paper's recorded data, and traces of real requests.

Each is a folder: the one that its variable names, or else ``../shared/<name>`` beside the checkout. A test that asks
for a file which is not there is skipped, and says which variable to set.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.workspace import ROOT


@dataclass(frozen=True)
class Beside:
    """One folder of others."""

    what: str
    variable: str
    name: str  # in ../shared/

    @property
    def folder(self) -> Path:
        """Where it is, if it is anywhere."""
        return Path(os.environ.get(self.variable) or ROOT.parent / "shared" / self.name).resolve()

    def find(self, name: str = ".") -> Path | None:
        """A file or folder in it; None where it is not there."""
        path = self.folder / name
        return path if path.exists() else None

    def need(self, name: str = ".") -> Path:
        """The same, for a test or fixture that is skipped without it."""
        path = self.find(name)
        if path is None:
            wanted = "" if name == "." else f" with {name}"
            pytest.skip(f"needs {self.what}: set {self.variable}=DIR to its folder{wanted}")
        return path


RECORDED = Beside("the paper's recorded data", "HARNESS_RECORDED_DATA", "paper-data")
TRACES = Beside("recorded traces", "HARNESS_RECORDED_TRACES", "traces")
MOONCAKE_CONVERSATION = "mooncake_conversation_trace.jsonl"  # in TRACES
