"""The commit that a run names is this checkout's, never that of a repository around it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.measure import provenance


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """A repository with one commit and a folder ``inside``."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file").touch()
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    provenance.harness_facts.cache_clear()
    yield tmp_path
    provenance.harness_facts.cache_clear()


def test_a_repositorys_own_commit_and_changes_are_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = next((repository / ".git" / "refs" / "heads").iterdir()).read_text().strip()
    monkeypatch.setattr(provenance, "ROOT", repository)
    facts = provenance.harness_facts()
    assert (facts["commit"], facts["dirty"]) == (head, False)
    (repository / "inside" / "file").write_text("changed")
    provenance.harness_facts.cache_clear()
    assert provenance.harness_facts()["dirty"] is True


def test_inside_another_repository_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", repository / "inside")
    facts = provenance.harness_facts()
    assert (facts["commit"], facts["dirty"]) == (None, None)
