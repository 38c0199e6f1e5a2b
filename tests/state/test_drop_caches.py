"""Dropping everybody's pages: announced, as root or by sudo, and one line where neither may."""

import os
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.state import drop_caches
from harness.state.drop_caches import drop_all_caches


@pytest.fixture
def happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order; the kernel's file is an ordinary one here: the machine is not only ours."""
    done: list[str] = []
    monkeypatch.setattr(drop_caches, "DROP_CACHES", tmp_path / "drop_caches")
    monkeypatch.setattr(os, "sync", lambda: done.append("sync"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return done


def sudo(folder: Path, script: str) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "sudo").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "sudo").chmod(0o755)


def test_it_is_announced_then_written_out_then_dropped(tmp_path: Path, happened: list[str]) -> None:
    def announce(line: str) -> None:
        assert not (tmp_path / "drop_caches").exists()
        happened.append(line)

    drop_all_caches(announce)
    assert (tmp_path / "drop_caches").read_text() == "3\n"
    assert len(happened) == 2
    assert "the page cache of the whole machine, for all of its users" in happened[0]
    assert happened[1] == "sync"


def test_without_the_right_to_it_sudo_is_asked_which_must_not_ask_back(tmp_path: Path, happened: list[str]) -> None:
    (tmp_path / "drop_caches").mkdir()  # what root cannot write either
    sudo(tmp_path, f'echo "sudo $@" > {tmp_path}/asked; read line; echo "$line" > {tmp_path}/written')
    drop_all_caches(happened.append)
    assert (tmp_path / "asked").read_text() == f"sudo -n tee {tmp_path}/drop_caches\n"
    assert (tmp_path / "written").read_text() == "3\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", "sudo: a password is required"),
        ("exit 3", "sudo: exit code 3"),
        (None, "sudo: No such file or directory"),
    ],
)
def test_where_nobody_may_it_is_one_line_that_says_what_works_without(
    tmp_path: Path, happened: list[str], script: str | None, why: str
) -> None:
    (tmp_path / "drop_caches").mkdir()
    if script:
        sudo(tmp_path, script)
    with pytest.raises(HarnessError) as caught:
        drop_all_caches(happened.append)
    assert str(caught.value) == (
        f"--drop-caches=all: not permitted ({tmp_path}/drop_caches: Is a directory; {why}); leave it out: "
        "the files themselves are evicted without it"
    )
