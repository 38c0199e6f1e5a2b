"""TTFT and TPOT in parts: those that were planted, never negative, and always adding up to what the client saw."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analyse.anatomy_level import Busy, LevelView, level_views
from harness.analyse.anatomy_requests import Followed, client_id, followed_requests
from harness.analyse.load_metrics import tpot_s
from harness.record.anatomy_run import AnatomyRun
from harness.record.anatomy_tables import PREFILL_PARTS, TPOT_PARTS, TTFT_PARTS
from tests.anatomy_runs import make_run
from tests.anatomy_simulation import COSTS, US, Wanted


def followed(view: LevelView) -> tuple[list[Followed], int]:
    return followed_requests(view, Busy.of(view))


def add_up(view: LevelView, requests: list[Followed]) -> None:
    """Parts are in the order of time, not negative, and their sums are the client's TTFT and TPOT to the nanosecond."""
    clients = {record.request: record for record in view.run.clients_of(view.level)}
    for request in requests:
        client = clients[request.request]
        assert tuple(request.ttft) == TTFT_PARTS
        assert min(request.ttft.values()) >= 0
        assert sum(request.ttft.values()) == pytest.approx(client.ttft_s, abs=2e-9)
        if (tpot := tpot_s(client)) is None:
            assert request.tpot == {}
        else:
            assert tuple(request.tpot) == TPOT_PARTS
            assert min(request.tpot.values()) >= 0
            assert sum(request.tpot.values()) == pytest.approx(tpot, abs=2e-9)


def test_each_part_of_a_ttft_is_the_one_that_was_planted(tmp_path: Path) -> None:
    run, truths = make_run(tmp_path / "1", Wanted(batches=2))
    for view in level_views(run):
        requests, lost = followed(view)
        truth = truths[view.level.id].requests
        assert (len(requests), lost) == (len(truth), 0)
        add_up(view, requests)
        for request, at in zip(requests, truth.values(), strict=True):
            wanted = {
                "to_server": at["http"] - at["sent"],
                "tokenise_input": at["made"] - at["http"],
                "to_engine": at["at_engine"] - at["made"],
                "queue": at["scheduled"] - at["at_engine"],
                "to_api": at["out_begin"] - at["first"],
                "detokenise": at["out_end"] - at["out_begin"],
                "stream_out": at["client"] - at["out_end"],
            }
            assert {part: request.ttft[part] for part in wanted} == pytest.approx(
                {part: ns * 1e-9 for part, ns in wanted.items()}, abs=1e-6
            )
            prefill = sum(request.ttft[part] for part in PREFILL_PARTS)
            assert prefill == pytest.approx((at["first"] - at["scheduled"]) * 1e-9, abs=1e-9)
            assert request.clipped == 0


def test_a_prefill_is_divided_by_what_engine_and_worker_did(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(concurrencies=(1,), batches=1))
    (view,) = level_views(run)
    ((request,), _) = followed(view)
    wanted = {
        "prefill_execute": COSTS["forward"] + COSTS["logits"],
        "prefill_sample": COSTS["sample"],
        "prefill_prepare": COSTS["prepare"] + COSTS["reply"] + 5 * 5,
        "prefill_schedule": COSTS["schedule"],
        "prefill_update": COSTS["update"],
        "prefill_other": COSTS["rpc"] + 2 * COSTS["hop"],
    }
    assert {part: request.ttft[part] for part in PREFILL_PARTS} == pytest.approx(
        {part: us * US * 1e-9 for part, us in wanted.items()}, abs=1e-9
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-3_000_000, 3_000_000), st.integers(0, 5_000_000)), min_size=6, max_size=6),
    st.integers(1, 4),
)
def test_whatever_the_clocks_say_parts_are_not_negative_and_add_up(
    tmp_path_factory: pytest.TempPathFactory, shifts: list[tuple[int, int]], tokens: int
) -> None:
    wanted = Wanted(concurrencies=(2,), batches=3, tokens=tokens)
    run, _ = make_run(tmp_path_factory.mktemp("run") / "1", wanted)
    clients = [
        replace(record, sent_at=record.sent_at + later / 1e9, ttft_s=first / 1e9, e2e_s=first / 1e9 + tokens * 1e-3)
        for record, (later, first) in zip(run.clients, shifts, strict=True)
    ]
    (view,) = level_views(replace(run, clients=clients))
    requests, _ = followed(view)
    assert len(requests) == sum(record.ttft_s > 0 for record in clients)
    add_up(view, requests)


def test_instants_that_contradict_each_other_are_counted(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(concurrencies=(1,), batches=2))
    late = [replace(record, sent_at=record.sent_at + 0.001) for record in run.clients]  # after HTTP began
    (view,) = level_views(replace(run, clients=late))
    requests, _ = followed(view)
    assert all(request.clipped >= 1 for request in requests)
    assert all(request.ttft["to_server"] == 0 for request in requests)
    add_up(view, requests)


def test_a_request_that_was_not_seen_everywhere_is_counted_and_left_out(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path / "1", Wanted(concurrencies=(2,), batches=2))
    (view,) = level_views(forgetting(run, "c2-1"))
    requests, lost = followed(view)
    assert lost == 1
    assert [request.request for request in requests] == [0, 2, 3]


def forgetting(run: AnatomyRun, request: str) -> AnatomyRun:
    """The run as if the scheduler had not told of a request."""
    api, engine, worker = run.traces
    windows = {
        name: replace(window, spans=[
            span._replace(told={**span.told, "new": [each for each in span.told["new"] if request not in each]})
            if span.told and "new" in span.told else span
            for span in window.spans
        ])
        for name, window in engine.windows.items()
    }  # fmt: skip
    return replace(run, traces=[api, replace(engine, windows=windows), worker])


@pytest.mark.parametrize("name", ["c8-17", "cmpl-c8-17-0", "cmpl-c8-17-0-0a1b2c3d"])
def test_the_engines_ids_name_the_clients_requests(name: str) -> None:
    assert client_id(name) == "c8-17"


@pytest.mark.parametrize("name", ["cmpl-c8-17-1", "chat-c8-17-0", "cmpl-c8-0", "cmpl-c8-17-0-xyz", ""])
def test_other_ids_are_nobodys(name: str) -> None:
    assert client_id(name) == name
