"""Sources that cannot be fetched: a skip at a desk, a failure where nobody reads skips."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from vllm_sources import vllm_sources


@pytest.mark.parametrize(("ci", "outcome"), [(None, "Skipped"), ("", "Skipped"), ("true", "Failed")])
def test_missing_sources_are_a_skip_and_under_ci_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str | None, outcome: str
) -> None:
    def without_network(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "first\nno network\n")

    monkeypatch.setattr(subprocess, "run", without_network)
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception)) as ended:
        vllm_sources("1.2.3", tmp_path)
    assert ended.type.__name__ == outcome
    assert str(ended.value) == "sources of vllm 1.2.3 cannot be fetched (no network?): no network"
