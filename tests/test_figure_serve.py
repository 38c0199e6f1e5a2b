"""``run_figure.sh 2 --mode serve``: the same figure from starts of ``vllm serve``, as cases of their own."""

import json

import pytest

from harness.analyse.startup import startups
from harness.record.run import read_run
from harness.record.slot import read_slot
from harness.show.startup_text import caption
from tests.checkout import Checkout
from tests.measure.fake_engine import FakeEngine
from tests.measure.fake_server import serving_checkout


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeEngine:
    return serving_checkout(tmp_path_factory.mktemp("checkout"))


def test_both_modes_are_measured_as_cases_of_their_own_and_the_figure_says_which(fake: FakeEngine) -> None:
    checkout, slot = Checkout(fake.root), fake.workspace.figure("2") / "node0"
    captions = []
    for mode in ("offline", "serve"):
        done = checkout.figure("2", "--engine", "fake", "--smoke", HARNESS_MODE=mode)
        assert done.code == 0, done.err
        found = read_slot(slot)
        captions.append(" ".join(caption(found, startups(found)[0])))
    assert "Parameters: eager=False." in captions[0]
    assert "Parameters: eager=False, mode=serve." in captions[1]
    offline, served = sorted(fake.workspace.runs.glob("*/cold_start/*"))
    assert (offline.name.rpartition("-")[0], served.name.rpartition("-")[0]) == (
        "tiny_fake_compiled",
        "tiny_fake_compiled_serve",
    )
    run = read_run(served / "1")
    assert run.counts
    assert run.first_token_s is not None
    assert run.phases_by_process["main"]["server_start"] > 0
    assert fake.starts()[-1]["arguments"][:2] == ["serve", str(fake.root / "models" / "tiny")]
    assert {"--no-enforce-eager", "--host"} <= set(fake.starts()[-1]["arguments"])
    assert json.dumps(run.case).count("--port") == 0  # a free one, another each time, and not what is measured
    again = checkout.figure("2", "--engine", "fake", "--smoke", "--mode", "serve")
    assert "Nothing to measure" in again.err


def test_a_server_that_generates_no_token_is_exit_1(fake: FakeEngine) -> None:
    fake.behave("mute")
    done = Checkout(fake.root).figure("2", "--engine", "fake", "--smoke", "--mode", "serve", "--again")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "the server is healthy but does not answer" in done.err.splitlines()[-1]
