"""What a replay counted can be counted again from its event log alone; a log that cannot be is refused by line."""

import gzip
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.record.event_log import read_events
from harness.record.replay import EVENTS, ReplayError, read_replay
from tests.replay_folder import SIZE, small_toy, toy_counters, toy_tables, write_events, write_replay
from tests.replay_recount import Recounted, recount
from tests.replay_toy import Event, Toy, ToyRequest

NOT_TOLD = {"wall_s", "max_rss_bytes", "cache_blocks", "prefill_tokens_scheduled", "decode_tokens_scheduled"}


@st.composite
def toys(draw: st.DrawFn) -> Toy:
    """Few different tokens, so that prompts begin alike; few blocks, so that contents and requests have to go."""
    tokens = st.integers(0, 1)
    requests, arrival = [], 0.0
    for number in range(draw(st.integers(1, 8))):
        arrival += draw(st.sampled_from([0.0, 0.5, 1.0, 7.0]))
        prompt = draw(st.lists(tokens, min_size=1, max_size=14))
        output = draw(st.lists(tokens, min_size=1, max_size=10))
        session = draw(st.sampled_from([None, "a", "b"]))
        requests.append(ToyRequest(f"r{number}", session, arrival, tuple(prompt), tuple(output)))
    size = draw(st.integers(1, 3))
    least = max(-(-(len(each.prompt) + len(each.output) - 1) // size) for each in requests)
    blocks = least + draw(st.integers(0, 12))
    chunk, at_once = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    return Toy(requests, blocks, size, chunk, at_once, caching=draw(st.booleans())).replay()


def again(events: list[Event], size: int = SIZE) -> Recounted:
    return recount(enumerate(events, start=1), size)


@settings(max_examples=60, deadline=None)
@given(toys())
def test_every_number_is_counted_again_from_the_events(toy: Toy):
    found = again(toy.events, toy.size)
    known = {name: value for name, value in asdict(toy_counters(toy)).items() if name not in NOT_TOLD}
    known["tokens_scheduled"] = toy.counted["tokens_scheduled"]
    assert {name: found.counters.get(name, 0) for name in known} == known
    tables = [rows for rows in toy_tables(toy).values()]
    texts = [tuple("" if cell is None else cell for cell in asdict(row).values()) for row in found.requests]
    assert texts == tables[0]
    assert [tuple(asdict(row).values()) for row in found.gaps] == tables[1]
    assert [tuple(asdict(row).values()) for row in found.hits] == tables[2]
    assert [tuple(asdict(row).values()) for row in found.occupancy] == tables[3]


def test_a_folder_and_its_log_agree(tmp_path: Path):
    write_replay(tmp_path / "replay", small_toy(blocks=10))
    replay = read_replay(tmp_path / "replay")
    found = recount(read_events(tmp_path / "replay" / EVENTS), SIZE)
    assert replay.facts.counters.preemptions > 0
    assert replay.facts.counters.evictions > 0
    assert (replay.requests, replay.gaps, replay.hits) == (found.requests, found.gaps, found.hits)
    assert replay.occupancy == found.occupancy


Damage = Callable[[list[Event]], object]


def first(events: list[Event], kind: str, number: int = 0, **having: Any) -> Event:
    found = [each for each in events if each["event"] == kind and having.items() <= each.items()]
    return found[number]


def without(kind: str, number: int = 0) -> Damage:
    return lambda events: events.remove(first(events, kind, number))


def changed(kind: str, number: int = 0, **new: Any) -> Damage:
    return lambda events: first(events, kind, number).update(new)


def twice(kind: str) -> Damage:
    def damage(events: list[Event]) -> None:
        event = first(events, kind)
        events.insert(events.index(event), dict(event))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (twice("alloc"), "is allocated while it is in use"),
        (without("evict"), "is allocated while content"),
        (changed("alloc", blocks=[0]), "block 0 is vLLM's null block"),
        (without("alloc"), "which its blocks deny"),
        (changed("store", blocks=[9, 8]), "which the request does not hold"),
        (changed("hit", contents=[1, 0]), "where it is not cached"),
        (changed("evict", contents=[99]), "where it is not cached"),
        (without("store"), "where it is not cached"),
        (twice("store"), "where another is cached"),
        (changed("store", contents=[-1, -2]), "content -1 is none"),
        (without("hit"), "which its blocks deny"),
        (changed("hit", resumed=True), "a hit is said to be after a preemption"),
        (changed("admit", hit_tokens=4), "which its blocks deny"),
        (changed("admit", resumed=True), "which its blocks deny"),
        (without("admit"), "it is waiting, it should be running"),
        (twice("admit"), "it is running, it should be waiting"),
        (changed("preempt", blocks=1), "preempted with 1 blocks, it holds "),
        (without("preempt"), "a running request lets go of blocks"),
        (without("free", -1), "the end, while 1 requests have not let go"),
        (changed("free", blocks=[]), "are said to have no user left"),
        (changed("free", released=[]), "are said to have no user left"),
        (twice("free"), "of a request that has not arrived or is gone"),
        (twice("first_token"), "a second first token"),
        (without("first_token"), "finished without a first token"),
        (twice("finish"), "it is finished, it should be running"),
        (without("arrive"), "of a request that has not arrived or is gone"),
        (twice("arrive"), "a request arrives that is there"),
        (changed("arrive", number=2, arrival_s=1e6), "a request is there before its arrival"),
        (changed("alloc", event="lend"), "no event is called lend"),
        (changed("arrive", number=2, t=0.5), "time goes back from "),
        (changed("arrive", event="appear"), "no event is called appear"),
        (lambda events: events[0].pop("t"), "line 1: the arrive event has no 't'"),
        (lambda events: first(events, "alloc").pop("blocks"), "the alloc event has no 'blocks'"),
        (changed("alloc", blocks=None), "line 2: "),
        (without("end"), "the log has no end"),
        (lambda events: events.append(dict(events[0])), "something after the end"),
        (lambda events: events.clear(), "line 1: the log has no end"),
    ],
)  # fmt: skip
def test_what_cannot_have_happened_is_refused_with_its_line(damage: Damage, message: str):
    events = deepcopy(small_toy(blocks=10).events)
    damage(events)
    with pytest.raises(ReplayError) as error:
        again(events)
    assert message in str(error.value)
    assert str(error.value).startswith("line ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not readable (No such file"),
        (b"plain", "damaged after line 0 (Not a gzipped file"),
        (gzip.compress(b"{}\n" * 9, mtime=0)[:-9], "damaged after line "),
        (gzip.compress(b'{"t": 1}\n[]\n', mtime=0), "line 2: not a JSON object"),
        (gzip.compress(b'{"t": 1}\n{"t": NaN}\n', mtime=0), "line 2: not JSON"),
        (gzip.compress(b'{"t": 1}\n\xff\n', mtime=0), "line 2: not JSON"),
        (gzip.compress(b'{"t": 1}\n{"t": 2}', mtime=0), "line 2: cut off"),
    ],
)
def test_a_damaged_log_file_is_one_line(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / EVENTS
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReplayError) as error:
        list(read_events(path))
    assert f"{path}: {message}" in str(error.value)


def test_a_log_is_numbered_by_line(tmp_path: Path):
    events = small_toy().events
    write_events(tmp_path / EVENTS, events)
    assert list(read_events(tmp_path / EVENTS)) == list(enumerate(events, start=1))
