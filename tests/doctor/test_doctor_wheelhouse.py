"""What the doctor says of engines from a wheelhouse and of the Python that they are put on top of."""

import json
from pathlib import Path

import pytest

from harness.doctor.engines import engine_check
from harness.doctor.tools import tool_checks
from harness.engine.environment import engine_of
from harness.engine.reused_python import ReusedPython
from harness.engine.wheel_source import HERE, Source
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace

PIN = load_pin(DEFAULT_CPU_PIN)


@pytest.fixture(autouse=True)
def no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HARNESS_WHEELHOUSE", "HARNESS_REUSE_PYTHON"):
        monkeypatch.delenv(name, raising=False)


def test_an_outdated_engine_from_a_wheelhouse_is_not_to_be_installed_from_an_index(tmp_path: Path) -> None:
    engine = engine_of(PIN, Workspace(tmp_path))
    engine.folder.mkdir(parents=True)
    engine.stamp.write_text(json.dumps({"lock_sha256": "another", "python": HERE, "wheelhouse": True}))
    check = engine_check(PIN, Workspace(tmp_path))
    assert (check.status, check.found, check.fix) == ("cannot", "outdated; it came from a wheelhouse", None)
    assert check.needed.endswith("; --wheelhouse DIR again")


@pytest.mark.parametrize(
    ("lacks", "status", "found"),
    [
        ((), "ok", "found"),
        (("Python.h (/nowhere)", "venv"), "cannot", "/opt/python has no Python.h (/nowhere), no venv"),
    ],
)
def test_headers_and_venv_are_those_of_the_reused_python(
    monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...], status: str, found: str
) -> None:
    reused = ReusedPython(Path("/opt/python"), HERE, (), {}, lacks)
    monkeypatch.setattr("harness.doctor.tools.source_of", lambda: Source(Path("/wheels"), reused.python))
    monkeypatch.setattr(Source, "reused", property(lambda _: reused))
    check = next(each for each in tool_checks(PIN) if each.name == "headers")
    assert (check.status, check.found) == (status, found)
