"""Samples as counters of a trace: where a value changes, and nothing that was not sampled."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.cores import core_use
from harness.analyse.gpu_use import gpu_use
from harness.analyse.partition import partition
from harness.analyse.spans import read_processes
from harness.analyse.window import Window
from harness.record import gpu as words
from harness.show.perfetto import trace_document
from harness.show.trace_tracks import core_track, gpu_tracks
from tests.analyse.span_files import span, write_process
from tests.show.trace_event_format import check


def test_busy_threads_are_one_track_that_ends_with_the_samples() -> None:
    rows = [(0.1, 0, 50.0), (0.1, 1, 0.0), (0.2, 0, 50.0), (0.3, 0, 100.0), (0.3, 1, 100.0)]
    (track,) = core_track(core_use(rows))
    assert (track.group, track.name) == ("cores of the machine", "busy threads")
    assert track.points == ((0.0, 0.5), (0.2, 2.0), (0.3, None))
    assert core_track(core_use([])) == []


def test_a_gpus_quantities_have_readable_units_and_its_name() -> None:
    rows = [
        (0.1, 1, words.MEMORY_USED, 2.0 * 2**30),
        (0.1, 1, words.CLOCK_REASONS, 0x41),
        (0.2, 1, words.CLOCK_REASONS, 1),
    ]
    tracks = gpu_tracks(gpu_use(rows), ["one", "NVIDIA \x1b H200"])
    assert {track.group for track in tracks} == {"GPU 1 NVIDIA \\x1b H200"}
    assert {track.name: track.points for track in tracks} == {
        "memory used (GiB)": ((0.0, 2.0), (0.1, None)),
        "clock held down (power, heat)": ((0.0, 1.0), (0.1, 0.0), (0.2, None)),
    }


def test_a_gap_in_the_samples_is_a_gap_in_the_track() -> None:
    rows = [(0.1, 0, words.POWER, 70.0), (5.0, 0, words.POWER, 90.0)]
    (track,) = gpu_tracks(gpu_use(rows), [])
    assert track.points == ((0.0, 70.0), (0.1, None), (4.9, 90.0), (5.0, None))


@given(values=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=20))
def test_a_track_says_at_every_time_what_was_sampled(values: list[float]) -> None:
    rows = [((number + 1) / 10, 0, words.SM_CLOCK, value) for number, value in enumerate(values)]
    (track,) = gpu_tracks(gpu_use(rows), [])
    for number, value in enumerate(values):
        middle = number / 10 + 0.05
        assert [found for at_s, found in track.points if at_s <= middle][-1] == value


def test_counters_lie_in_processes_of_their_own(tmp_path: Path) -> None:
    write_process(tmp_path, 7, "main", 0, 10, [span("load", 20, 90_000_000)])
    processes = read_processes(tmp_path)
    window = Window(7, 0, 100_000_000, True)
    tracks = [
        *core_track(core_use([(0.1, 0, 50.0)])),
        *gpu_tracks(gpu_use([(0.1, 0, words.POWER, 70.0), (0.1, 1, words.POWER, 80.0)]), []),
    ]
    document = trace_document(processes, partition(processes, 7, 0, 100_000_000), window, {}, tracks)
    events = check(json.loads(json.dumps(document)))
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    counters = [(names[e["pid"]], e["name"], e["ts"], e["args"]["value"]) for e in events if e["ph"] == "C"]
    assert counters == [
        ("cores of the machine", "busy threads", 0, 0.5),
        ("cores of the machine", "busy threads", 100_000, 0.0),
        ("GPU 0", "power (W)", 0, 70.0),
        ("GPU 0", "power (W)", 100_000, 0.0),
        ("GPU 1", "power (W)", 0, 80.0),
        ("GPU 1", "power (W)", 100_000, 0.0),
    ]
    assert len(names) == 5  # critical path, main, cores, two GPUs
