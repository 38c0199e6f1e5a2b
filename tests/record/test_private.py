"""Slots travel: nothing in them says whose machine they were made on."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.record.collect import CaseRuns, collect
from harness.record.private import Names, names_here, without_private
from harness.record.slot import read_slot, write_slot
from harness.record.store import CaseStore
from tests.synthetic_run import make_run, put
from tests.synthetic_slot import synthetic

HOME = "/data/people/Alice B"
HOST, USER = "build-box-7.example.org", "aliceb"
NAMES = Names(frozenset({HOST, "build-box-7", "gpu7"}), frozenset({USER, "root"}), frozenset({HOME}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{HOME}/models/x", "x"),
        ("/home/bob/models/My Model", "My Model"),
        ("/home/bob", "~"),
        ("/mnt/aliceb", "user"),
        ("~/models/x", "x"),
        ("~bob/models/x", "x"),
        ("../bob/x", "x"),
        ("--model=/mnt/models/x/", "--model=x"),
        ("/opt/a:/opt/b", "a:b"),
        (f"cannot read '{HOME}/x y': no such file", "cannot read 'x y': no such file"),
        ("log: /mnt/a/engine.log, /mnt/b/engine.log", "log: engine.log, engine.log"),
        ("file:///mnt/a/x", "x"),
        ("https://build-box-7:8000/v1/models", "models"),
        ('{"download_dir": "/mnt/a/cache"}', '{"download_dir": "cache"}'),
        (f"aliceb@{HOST}", "user@host"),
        ("on build-box-7 and gpu7.lan, not agpu7", "on host and host.lan, not agpu7"),
        ("results/aliceb/7", "results/user/7"),
        ("the root cause", "the root cause"),
        ("two\nlines \x1b[31m", "two\\nlines "),
    ],
)
def test_paths_become_base_names_and_names_of_people_and_machines_go(text: str, shown: str) -> None:
    assert without_private(text, NAMES) == shown


@pytest.mark.parametrize(
    "text",
    ["meta-llama/Llama-3.2-3B", "GNU/Linux 12", "2 s/it", "AMD EPYC 7763 @ 2.45GHz", "2.13.0+cpu", "a / b", "", "/"],
)
def test_what_is_no_path_stays(text: str) -> None:
    assert without_private(text, NAMES) == text


def test_names_that_tie_a_document_together_stay() -> None:
    tied = {"case": "/a/gpu7", "of": ["/a/gpu7", "/b/gpu7"], "/a/gpu7": 1, "/b": 2}
    assert without_private(tied, NAMES, frozenset({"/a/gpu7"})) == {
        "case": "/a/gpu7",
        "of": ["/a/gpu7", "host"],
        "/a/gpu7": 1,
        "b": 2,
    }


def test_the_names_of_this_machine_are_known_without_asking_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", USER)
    monkeypatch.setenv("HOME", HOME + "/")
    names = names_here()
    assert names.hosts == {os.uname().nodename, os.uname().nodename.partition(".")[0]} - {"localhost"}
    assert USER in names.users
    assert HOME in names.homes


@pytest.fixture
def as_alice(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((real.sysname, HOST, *real[2:])))
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setenv("HOME", HOME)


SAYINGS = st.sampled_from(
    [
        f"{HOME}/models/x",
        f"it is {HOST}",
        f"{USER}@build-box-7",
        f"see {HOME}: denied",
        f"/scratch/{USER}",
        f"~{USER}/x",
    ]
)
ANYTHING = st.recursive(
    SAYINGS | st.integers(0, (1 << 64) - 1) | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(SAYINGS | st.just("key"), inner, max_size=2),
    max_leaves=5,
)
FREE = st.dictionaries(SAYINGS | st.sampled_from(["path", "note"]), ANYTHING, max_size=3)


def private_words(text: str) -> list[str]:
    return [word for word in (HOST, "build-box-7", USER, HOME, "Alice B", "/data", "/scratch") if word in text]


@pytest.mark.usefixtures("as_alice")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=st.lists(FREE, min_size=5, max_size=5), model=SAYINGS)
def test_whatever_a_record_says_the_slot_names_no_host_user_or_path(
    tmp_path_factory: pytest.TempPathFactory, facts: list[dict[str, Any]], model: str
) -> None:
    folder = tmp_path_factory.mktemp("slots") / "node0"
    rows, manifest = synthetic(measured=1)
    manifest["node"] |= {"cpu_model": model, "more": facts[0]}
    manifest["cases"][0]["engine"]["build"] = facts[1]
    manifest["cases"][0]["model"] |= {"name": model, "more": facts[2]}
    manifest["cases"][0]["parameters"] = {"model": model, **facts[3]}
    manifest["certificates"] = {run["run_id"]: {"quiet": {"holds": True, **facts[4]}} for run in manifest["runs"]}
    write_slot(folder, [replace(row, model=model) for row in rows], manifest)
    read_slot(folder)
    for path in folder.iterdir():
        assert private_words(path.read_text()) == []


@pytest.mark.usefixtures("as_alice")
def test_a_run_of_a_command_with_paths_is_collected_without_them(tmp_path: Path) -> None:
    store = CaseStore(tmp_path / "runs" / "own-00000000")
    command = ["vllm", "serve", f"{HOME}/models/x", "--host", HOST, f"--download-dir={HOME}/hub"]
    case = {"model": f"{HOME}/models/x", "parameters": {"command": command}, "eager": False}
    reason = f"{HOME}/x: was open on {HOST}"
    certificate = {"quiet": {"declared": "quiet", "holds": False, "reason": reason}}
    put(store, make_run("warmup-0", case=case, certificate=certificate), make_run("1", case=case, log_tail=[reason]))
    collect("2", "node0", tmp_path / "node0", [CaseRuns("own-00000000", store, "s1")])
    for path in (tmp_path / "node0").iterdir():
        assert private_words(path.read_text()) == []
    manifest = json.loads((tmp_path / "node0" / "manifest.json").read_text())
    assert manifest["cases"][0]["parameters"]["command"] == [
        "vllm",
        "serve",
        "x",
        "--host",
        "host",
        "--download-dir=hub",
    ]
    assert {row.model for row in read_slot(tmp_path / "node0").rows} == {"x"}
