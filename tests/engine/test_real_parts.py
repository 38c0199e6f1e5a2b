"""Parts of a real start's phases: what loading the weights consists of, and where a planted delay turns up."""

import json
from pathlib import Path

import pytest

from harness.analyse.parts import OTHER, Part, parts_from
from harness.record.run import Run
from harness.record.tables import PARTS, read_table

pytestmark = pytest.mark.engine

COPY = "copy cpu to cpu"


def parts_of(folder: Path) -> dict[tuple[str, str], Part]:
    return {(part.phase, part.part): part for part in parts_from(read_table(PARTS, folder / PARTS.name))}


def test_the_parts_of_a_phase_add_up_to_it(planted: tuple[Run, Path, Path]) -> None:
    run, folder, _ = planted
    parts = parts_of(folder)
    phases = {phase for phase, _ in parts}
    assert "load_weights" in phases
    for phase in phases:
        whole = sum(part.seconds for part in parts.values() if part.phase == phase)
        assert whole == pytest.approx(run.phases[phase], abs=1e-9)


def test_loading_is_opening_deserialising_and_copying_every_byte_of_the_checkpoint(
    planted: tuple[Run, Path, Path],
) -> None:
    run, folder, _ = planted
    parts = {part: found for (phase, part), found in parts_of(folder).items() if phase == "load_weights"}
    assert set(parts) == {"find files", "open", "deserialise", COPY, OTHER}
    assert parts["find files"].calls == 1
    assert parts["open"].calls >= 1
    copied, made = parts[COPY], parts["deserialise"]
    assert made.calls is not None
    assert copied.calls is not None
    assert copied.calls >= made.calls - 1 > 50, "the last call of the iterator finds that there is no more"
    assert copied.bytes == run.model["tensor_bytes"]
    read = [part.read_bytes for part in (parts["open"], made, copied)]
    assert all(each is not None for each in read)
    assert sum(each or 0 for each in read) <= run.resources["load_read_bytes"]
    assert run.tracer["failures"] == []


def test_a_delay_planted_in_copies_is_found_in_the_copies_and_nowhere_else(planted: tuple[Run, Path, Path]) -> None:
    _, folder, log = planted
    slept_ns = json.loads(log.with_suffix(".copies").read_text(encoding="utf-8"))
    assert len(slept_ns) == 3
    parts = parts_of(folder)
    slept_s = sum(slept_ns) / 1e9
    assert parts["load_weights", COPY].seconds >= slept_s
    others = [part for key, part in parts.items() if key[0] == "load_weights" and key[1] != COPY]
    print(json.dumps({part.part: part.seconds for part in (*others, parts["load_weights", COPY])}))
    assert all(part.seconds < slept_s for part in others)


def test_the_warm_up_of_a_compiled_start_is_told_by_number_of_tokens(cold_compiled: tuple[Run, Path]) -> None:
    run, folder = cold_compiled
    parts = {part: found for (phase, part), found in parts_of(folder).items() if phase == "warmup"}
    sized = [name for name in parts if name.isdecimal()]
    assert len(sized) == 1, sorted(parts)
    assert parts[sized[0]].calls == 1
    assert sum(part.seconds for part in parts.values()) == pytest.approx(run.phases["warmup"], abs=1e-9)


def test_nothing_of_it_stays_on_the_engine(planted: tuple[Run, Path, Path]) -> None:
    run, _, _ = planted
    assert run.certificate["trace"]["holds"] is True
    assert run.tracer["failures"] == []
