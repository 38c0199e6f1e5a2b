"""``run_figure.sh NUM --dry-run`` and ``harness status``, with the fake engine: what would be done, what there is."""

import itertools
import json
import shutil
from pathlib import Path

import pytest

from harness.commands.figure.plan import _is_of
from harness.measure.case import Setting, declared_definition
from harness.spec.figure import load_figure
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin
from harness.workspace import Workspace
from tests.checkout import Checkout, Done, add_fake_engine, forget_runs, make_checkout
from tests.measure.fake_engine import FakeEngine


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    """A fake engine in a checkout, with nothing measured yet."""
    return add_fake_engine(make_checkout(tmp_path_factory.mktemp("planned")))


def dry_run(fake: FakeEngine, *arguments: str) -> tuple[Done, dict]:
    done = Checkout(fake.root).figure("2", "--engine", "fake", "--dry-run", "--json", *arguments)
    assert done.code == 0, done.err
    return done, json.loads(done.out.splitlines()[-1])


def status(fake: FakeEngine) -> dict:
    done = Checkout(fake.root).run(".venv/bin/python", "-m", "harness", "status", "--engine", "fake", "--json")
    assert done.code == 0, done.err
    return {figure["figure"]: figure for figure in json.loads(done.out.splitlines()[-1])["figures"]}


def test_a_dry_run_tells_starts_and_minutes_and_changes_nothing(fake: FakeEngine) -> None:
    forget_runs(fake)
    before = Checkout(fake.root).files()
    done, planned = dry_run(fake, "--models", "tiny,small", "--iterations", "3")
    cases = [(case["model"], case["warmups"], case["measured"]) for case in planned["cases"]]
    assert cases == [("tiny", 1, 3), ("small", 1, 3)]
    assert planned["minutes"] == pytest.approx(sum(case["seconds"] for case in planned["cases"]) / 60)
    assert "about 7 minutes of starts" in done.err
    assert Checkout(fake.root).files() == before
    assert fake.starts() == []


def test_a_dry_run_counts_only_what_is_missing_and_learns_from_what_was_measured(fake: FakeEngine) -> None:
    forget_runs(fake)
    assert Checkout(fake.root).figure("2", "--engine", "fake", "--smoke").code == 0
    _, planned = dry_run(fake, "--models", "tiny,small", "--iterations", "3")
    cases = [(case["model"], case["warmups"], case["measured"]) for case in planned["cases"]]
    assert cases == [("tiny", 0, 2), ("small", 1, 3)]
    assert planned["minutes"] < 1  # the fake engine starts in a second
    _, again = dry_run(fake, "--again", "--iterations", "3")
    assert [(case["warmups"], case["measured"]) for case in again["cases"]] == [(1, 3)]


def test_a_dry_run_within_a_budget_is_the_plan_that_was_cut(fake: FakeEngine) -> None:
    forget_runs(fake)
    asked = ("--models", "tiny,small", "--iterations", "3", "--budget")
    done, planned = dry_run(fake, *asked, "5")
    assert [(case["model"], case["warmups"], case["measured"]) for case in planned["cases"]] == [("tiny", 1, 3)]
    assert 0 < planned["minutes"] <= 5
    assert "3 measured per case, for repeatability" in done.err
    refused = Checkout(fake.root).figure("2", "--engine", "fake", "--dry-run", *asked, "inf")
    assert refused.code == 2
    assert refused.error == "--budget inf: give minutes, more than 0 and at most 10080 (a week)"


def test_a_plan_imports_nothing_that_only_drawings_and_statistics_need(fake: FakeEngine) -> None:
    forget_runs(fake)
    python = (".venv/bin/python", "-X", "importtime", "-m", "harness")
    done = Checkout(fake.root).run(*python, "figure", "2", "--engine", "fake", "--dry-run")
    assert done.code == 0, done.err
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.err.splitlines()}
    assert {"harness", "yaml"} <= imported
    assert imported.isdisjoint({"matplotlib", "scipy", "numpy"})


def test_sampled_starts_are_not_counted_for_a_figure_that_samples_nothing() -> None:
    figure = load_figure("2", Workspace())
    pin = load_pin(DEFAULT_CPU_PIN)
    wanted, sampled = (
        declared_definition(each, pin, "llama3-3b", Setting({}, each.state))
        for each in (figure, figure.model_copy(update={"samples": ("cores",)}))
    )
    pairs = itertools.product((wanted, sampled), repeat=2)
    assert [_is_of(stored, asked) for stored, asked in pairs] == [True, False, False, True]


def test_status_tells_figure_by_figure_what_there_is(fake: FakeEngine) -> None:
    forget_runs(fake)
    assert status(fake)["2"]["slots"] == []
    fake.behave("ok", "recompile", "ok")
    assert Checkout(fake.root).figure("2", "--engine", "fake", "--smoke").code == 0
    told = status(fake)
    (slot,) = told["2"]["slots"]
    assert (slot["slot"], slot["cases"], slot["least"], slot["most"], slot["not_counted"]) == ("node0", 1, 1, 1, 1)
    assert told["10"]["slots"] == []


def test_status_counts_what_an_interrupted_call_has_stored(fake: FakeEngine) -> None:
    forget_runs(fake)
    fresh = status(fake)
    assert fresh["2"]["missing_here"] == 3  # a warm-up, and two measured starts
    assert fresh["10"]["missing_here"] is None  # two GPUs
    assert Checkout(fake.root).figure("2", "--engine", "fake", "--smoke").code == 0
    shutil.rmtree(fake.workspace.figure("2") / "node0")
    told = status(fake)["2"]
    assert (told["missing_here"], told["slots"]) == (1, [])


def test_status_names_a_slot_that_cannot_be_read(fake: FakeEngine) -> None:
    forget_runs(fake)
    assert Checkout(fake.root).figure("2", "--engine", "fake", "--smoke").code == 0
    data: Path = fake.workspace.figure("2") / "node0" / "data.csv"
    data.write_text(data.read_text() + "x")
    (slot,) = status(fake)["2"]["slots"]
    assert "changed since it was written" in slot["problem"]
