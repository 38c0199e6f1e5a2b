"""From start to slot with an engine that tells whose machine it is: the log may say it, the slot does not."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.record.collect import CaseRuns, collect
from harness.record.slot import read_slot
from tests.measure.fake_engine import NODE, FakeEngine, end_for_certain, make_fake_engine

HOST, USER = "build-box-7.example.org", "aliceb"
TELLS = "import os; print('home', os.environ['HOME'], 'on', %r, 'by', %r, 'in', __file__, flush=True)\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((real.sysname, HOST, *real[2:])))
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, USER)
    folder = tmp_path / "people" / USER
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def fake(home: Path) -> Iterator[FakeEngine]:
    fake = make_fake_engine(home / "project")
    with (fake.engine.site_packages / "torch" / "__init__.py").open("a") as file:
        file.write(TELLS % (HOST, USER))
    yield fake
    end_for_certain([entry["pid"] for entry in fake.journal("hanging")])


def test_a_slot_of_a_talkative_engine_names_no_host_user_home_or_path(fake: FakeEngine, home: Path) -> None:
    parameters: dict[str, Any] = {
        "model": f"{home}/models/My Model",
        "download_dir": f"{home}/hub",
        "additional_config": {"log": f"/scratch/{USER}/log", "at": f"{USER}@{HOST}"},
    }
    case = fake.case(
        definition={**fake.case().definition, "model": parameters["model"], "parameters": parameters},
        engine_facts={**fake.case().engine_facts, "built_in": f"{home}/build on {HOST}"},
        model_facts={**fake.case().model_facts, "name": parameters["model"]},
        parameters={name: parameters[name] for name in ("download_dir", "additional_config")},
    )
    fake.behave("ok", "ok", "crash")
    session = fake.session(2, case)
    runs = fake.measure(session)
    assert [run.status for run in runs] == ["ok", "ok", "failed"]
    log = (session.store.run_folder("s1", "1") / "engine.log").read_text()
    assert all(word in log for word in (HOST, USER, str(home)))
    slot = home / "slot"
    collect("2", "node0", slot, [CaseRuns(case.name, session.store, session.session)])
    for path in slot.iterdir():
        text = path.read_text()
        assert [word for word in (HOST, "build-box-7", USER, str(home), "/scratch") if word in text] == []
    manifest = read_slot(slot).manifest
    assert manifest["node"] == NODE
    assert manifest["cases"][0]["model"]["name"] == "My Model"
    assert manifest["cases"][0]["parameters"]["download_dir"] == "hub"
