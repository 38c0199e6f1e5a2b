"""The study's routers under the serving engine's Python: what they decide, what they write of it, what they follow."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import engine_of
from harness.engine.study_worker import run_worker
from harness.record.routing_lines import read_decisions
from harness.record.routing_records import Choose, Died, Done, Replicas, Routed
from harness.spec.pin import load_pin

pytestmark = [pytest.mark.engine, pytest.mark.beside, pytest.mark.slow]

PIN = "ray-2.60-vllm-0.32.0-cpu"
LONGEST, FEWEST, PAIR = "longest prefix", "fewest characters so far", "queues too different: shorter of two"
MOST, LITTLE = "most cached", "too little cached: shortest queue"
BOTH_ONCE = [["a", "b"], ["b", "a"]]


class Found:
    """What the scenarios found, and the logs that their routers wrote."""

    def __init__(self, folder: Path, found: dict[str, Any]) -> None:
        self._folder, self._found = folder, found

    def __getitem__(self, scenario: str) -> dict[str, Any]:
        found: dict[str, Any] = self._found[scenario]
        assert "error" not in found, found["error"]
        return found

    def lines(self, scenario: str) -> list[Any]:
        (path,) = (self._folder / scenario).glob("decisions.*.jsonl")
        return read_decisions(path)

    def why(self, scenario: str) -> dict[str, tuple[str, int | None, int | None]]:
        """Request → reason, matched, of what."""
        lines = [each for each in self.lines(scenario) if isinstance(each, Choose)]
        return {each.request: (each.reason, each.matched, each.of) for each in lines}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    engine = engine_of(load_pin(PIN))
    if engine.installed_as() is None:
        pytest.skip(f"{PIN} is not installed: python3 harness engines install --pin {PIN}")
    folder = tmp_path_factory.mktemp("decisions")
    request, result = folder / "in.json", folder / "out.json"
    request.write_text(json.dumps({"folder": str(folder)}), encoding="utf-8")
    run_worker(engine.python, "tests.engine.worker_router_decisions", (request, result), {}, "decisions", 300)
    return Found(folder, json.loads(result.read_text(encoding="utf-8")))


def test_what_events_say_is_cached_is_what_the_scheduler_would_find(found: Found):
    run = found["scheduler"]
    assert run["wrong"] == []
    assert run["cached"] > 500
    assert run["missed"] == 0
    for event in ("BlockStored", "BlockRemoved", "AllBlocksCleared", "again"):
        assert run["events"][event] > 5, f"{event} never happened"


def test_replicas_that_come_are_followed_and_those_that_leave_are_forgotten(found: Found):
    run = found["follows"]
    assert run["one"] == [13, 12, 0]
    assert run["both"] == [13, 12, 4]  # what was stored before it was followed is lost
    assert run["one left"] == [13, 0, 8]


def test_batches_that_never_arrive_are_counted(found: Found):
    run = found["follows"]
    assert run["lost"] >= 1  # before it was followed
    assert run["missed"] == 0
    assert run["missed_in_gap"] == 3
    assert run["gap"] == [13, 12, 8]


def test_of_a_prompt_that_is_no_text_nothing_is_cached(found: Found):
    assert found["follows"]["no text"] == [0, 0, 0]


def test_the_reason_of_the_prefix_router_is_the_rule_that_ray_followed(found: Found):
    longest, below, queues, at_the_threshold, empty_tree = found["prefix_rules"]["ranks"]
    assert longest == below == at_the_threshold == [["a"]]
    assert queues[0] in BOTH_ONCE
    assert empty_tree[0] in BOTH_ONCE
    assert found.why("prefix_rules") == {
        "longest": (LONGEST, 43, 49),
        "below": (FEWEST, 2, 100),
        "queues": (PAIR, None, None),
        "at the threshold": (LONGEST, 43, 43),
        "empty tree": ("no replica in the tree: shorter of two", 0, 43),
    }


def test_reasons_of_requests_that_are_decided_at_once_are_not_mixed_up(found: Found):
    assert found["prefix_meanwhile"]["errors"] == ["KeyError"] * 2
    why = found.why("prefix_meanwhile")
    assert (why["A"], why["B"]) == ((LONGEST, 43, 43), (FEWEST, 0, 7))
    assert (why["C"], why["D"]) == ((PAIR, None, None), (LONGEST, 30, 30))


@pytest.mark.parametrize("request_id", ["after it", "during it"])
def test_a_choice_that_failed_leaves_no_reason_to_another_request(found: Found, request_id: str):
    assert found.why("prefix_meanwhile")[request_id] == (PAIR, None, None)


@pytest.mark.parametrize(("rate", "little"), [(None, MOST), (0, MOST), (0.1, LITTLE)])
def test_the_exact_router_goes_by_any_match_unless_a_rate_is_asked_for(found: Found, rate: Any, little: str):
    ranks = found[f"exact_rate {rate}"]
    assert found.why(f"exact_rate {rate}") == {"little": (little, 4, 100), "none": (LITTLE, 0, 9)}
    assert ranks["little"] == ([["a"], ["b"]] if little == MOST else [["a", "b"]])
    assert ranks["none"] == [["a", "b"]]  # a has cached less


def test_the_exact_router_balances_only_if_a_threshold_is_asked_for(found: Found):
    assert found["exact_threshold None"] == {"ranks": [["b"], ["a"]], "to": "b"}
    assert found.why("exact_threshold None") == {"q": (MOST, 40, 41)}
    assert found["exact_threshold 2"]["ranks"][0] in BOTH_ONCE
    assert found["exact_threshold 2"]["to"] == "a"
    assert found.why("exact_threshold 2") == {"q": ("queues too different: shortest", 40, 41)}


def test_replicas_that_are_alike_share_what_nobody_has_cached(found: Found):
    to = found["exact_ties"]["to"]
    assert 15 <= to.count("a") <= 65
    assert set(found.why("exact_ties").values()) == {(LITTLE, 0, 9)}


def test_the_exact_router_passes_over_who_is_full_and_who_is_dead(found: Found):
    run, why = found["exact_falls"], found.why("exact_falls")
    assert (run["full"], why["full"]) == ("a", (MOST, 40, 41))
    assert (run["missed"], why["missed"]) == ("b", (f"{MOST}, events missed", 40, 41))
    assert run["dead"] == ["a"] * 8
    assert {why[f"dead-{number}"][1:] for number in range(8)} == {(0, 41)}
    assert [each.replica for each in found.lines("exact_falls") if isinstance(each, Died)] == ["b"]


@pytest.mark.parametrize(
    ("router", "reasons"),
    [
        ("PowerOfTwo", {"shorter queue of two"}),
        ("RoundRobin", {"its turn"}),
        ("Session", {"hash of its session", "no session: hash of its id"}),
        ("Random", {"by chance"}),
    ],
)
def test_a_router_decides_as_the_class_behind_it_and_writes_down_what_came_of_it(
    found: Found, router: str, reasons: set[str]
):
    run, lines = found["rays_own"][router], found.lines(f"rays_own/{router}")
    ours, behind = run["ranks"]
    assert ours == behind
    assert {ranks[0][0] for ranks in ours} == {"a", "b", "c"}
    assert list(map(type, lines)) == [Replicas, *[Choose, Routed, Done] * 24, Died]
    assert lines[0].replicas == ["a", "b", "c"]
    chosen, routed, done = lines[1:-1:3], lines[2:-1:3], lines[3:-1:3]
    assert {each.reason for each in chosen} == reasons
    assert [each.request for each in chosen] == [each.request for each in routed] == [f"q-{n}" for n in range(24)]
    assert [each.replica for each in routed] == [each.replica for each in done] == run["to"]
    assert all(each.replica in choice.ranks[0] for choice, each in zip(chosen, routed, strict=True))
    assert [each.internal for each in routed] == [each.internal for each in done]
    assert all(choice.queues == {"a": 0, "b": 0, "c": 0} for choice in chosen)
