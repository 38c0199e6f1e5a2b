"""What figures are drawn from, whoever measured it: sides, their cases, and each case's repeats.

A **side** is one node's slot: *mine* (measured in this checkout), *merged* (copied or merged from another machine) or
the *paper's* (its recorded data). Sides are never mixed: each keeps its own points, line and label.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.analyse.parts import Part, parts_from
from harness.analyse.phases import GROUPS
from harness.record.paper import PaperRow
from harness.record.slot import Slot
from harness.record.slotfacts import environment
from harness.record.tables import PARTS, SLOT_TABLES, Cell, parse_table
from harness.spec.arguments import CAPTURED, captured_sizes

Whose = Literal["mine", "merged", "paper"]
Source = Literal["span", "log"]
TOTAL = "total"  # exec→ready by spans; first to last log line in the paper's data
WARMUP, MEASURED = "warmup", "measured"

_FASTEST = 1e15  # bytes per second that no device gives


@dataclass(frozen=True)
class Loading:
    """The weights of one start: bytes of their files, bytes read from the device, and what the device could give."""

    weight_bytes: int
    read_bytes: int | None  # while they were loaded; None: not told
    probe_bytes_per_s: float | None  # measured just before, where the start was to read from a disk
    proven: bool  # that they were where the start's state declares
    direct: bool = False  # they were read past the page cache


@dataclass(frozen=True)
class Repeat:
    """One start: seconds by leaf (``span``) and by the paper's log quantities (``log``). Absent is absent, never 0."""

    kind: str
    run: str
    span: Mapping[str, float] = field(default_factory=dict)
    log: Mapping[str, float] = field(default_factory=dict)
    round: str | None = None  # starts of several cases with the same one were made next to each other
    loading: Loading | None = None
    first_token_s: float | None = None  # after ready, so part of no phase
    parts: tuple[Part, ...] = ()  # of phases
    output: Mapping[str, Any] | None = None  # what the engine answered: equal weights answer alike

    def value(self, quantity: str, source: Source = "span") -> float | None:
        """Seconds of a quantity: what the spans say where this start was traced, else what its log says; or None.

        ``source`` log: what the log says, of traced starts too.

        A traced start spent no time in a leaf that its spans do not name, but that is absent here too: whether the
        phase exists on an engine is not for a zero to say.
        """
        if quantity == TOTAL:
            return sum(self.span.values()) if self.span else self.log.get("actual_total_time")
        if self.span and source == "span":
            wanted = GROUPS.get(quantity, (quantity,))  # no group is called like a leaf
            if found := [seconds for leaf, seconds in self.span.items() if leaf.split(":")[0] in wanted]:
                return sum(found)
        return self.log.get(quantity)


@dataclass(frozen=True)
class CaseData:
    """One case's repeats. ``facts`` are numbers to draw against (``harness.spec.figure.Axis``)."""

    model: str
    twin: bool
    parameters: Mapping[str, Any]
    facts: Mapping[str, float]
    repeats: tuple[Repeat, ...]
    engine: str = ""  # version, for figure 1
    state: Mapping[str, str] = field(default_factory=dict)  # declared: storage, libraries, compile_cache, model_info
    environment: Mapping[str, Any] = field(default_factory=dict)  # variables that define it, none that choose a GPU

    def values(self, quantity: str, kind: str = MEASURED, source: Source = "span") -> list[float]:
        """One value per repeat that states it."""
        found = (repeat.value(quantity, source) for repeat in self.repeats if repeat.kind == kind)
        return [value for value in found if value is not None]


@dataclass(frozen=True)
class Side:
    """One node's slot, or the paper's."""

    slot: str
    whose: Whose
    node: str  # the machine in a few words
    cases: tuple[CaseData, ...]
    notes: tuple[str, ...] = ()  # what the reader must know: twins, accepted mismatches
    gaps: tuple[tuple[str, str], ...] = ()  # version without a start to show, and why

    @property
    def twins(self) -> bool:
        """Whether any of it is of structural twins."""
        return any(case.twin for case in self.cases)


def side_of_slot(slot: Slot, whose: Whose, node: str, notes: tuple[str, ...] = ()) -> Side:
    """The slot as a side."""
    repeats: dict[str, dict[str, dict[str, Any]]] = {}
    for row in slot.rows:
        if row.status != "ok" or row.source not in ("span", "log"):
            continue
        run = repeats.setdefault(row.case, {}).setdefault(row.run, {"kind": row.kind, "span": {}, "log": {}})
        run[row.source][row.phase] = row.seconds
    parts = parts_by_run(slot)
    cases = tuple(
        CaseData(
            model=str(case["model"].get("name", case["case"])),
            twin=bool(case["model"].get("twin")),
            parameters=case["parameters"],
            facts=_facts_of_case(slot, case),
            repeats=tuple(
                Repeat(run=name, **run, **_told(slot, case["case"], name), parts=parts.get((case["case"], name), ()))
                for name, run in repeats.get(case["case"], {}).items()
            ),
            engine=str(case["engine"].get("version", "")),
            state=case.get("state", {}),
            environment=environment(case),
        )
        for case in slot.manifest["cases"]
    )
    gaps = tuple((gap["version"], gap["reason"]) for gap in slot.manifest.get("gaps") or ())
    return Side(str(slot.manifest["slot"]), whose, node, cases, notes, gaps)


def _told(slot: Slot, case: str, run: str) -> dict[str, Any]:
    """What the manifest says of one run besides its seconds."""
    entry = next(each for each in slot.manifest["runs"] if (each["case"], each["run"]) == (case, run))
    loading = loading_of(slot.manifest["certificates"].get(entry["run_id"]))
    more = {name: entry.get(name) for name in ("round", "first_token_s", "output")}
    return {**more, "loading": loading}


def parts_by_run(slot: Slot) -> dict[tuple[str, str], tuple[Part, ...]]:
    """(case, run) → the parts of its phases. Raises SlotError where the slot's table of parts states what cannot be."""
    rows: dict[tuple[str, str], list[tuple[Cell, ...]]] = {}
    if PARTS.name in slot.tables:
        for case, run, _, *row in parse_table(SLOT_TABLES[PARTS.name], slot.tables[PARTS.name], PARTS.name):
            rows.setdefault((str(case), str(run)), []).append(tuple(row))
    return {key: tuple(parts_from(found)) for key, found in rows.items()}


def loading_of(certificate: Any) -> Loading | None:
    """From the storage part of a run's certificate, which comes from anywhere: what has another type is not told."""
    part = certificate.get("storage") if isinstance(certificate, Mapping) else None
    if not isinstance(part, Mapping) or type(part.get("weight_bytes")) is not int or part["weight_bytes"] <= 0:
        return None
    reads, probe = part.get("read_bytes"), part.get("probe_bytes_per_s")
    load = reads.get("load") if isinstance(reads, Mapping) else None
    possible = probe if isinstance(probe, int | float) and 1 < probe <= _FASTEST else None
    read = load if type(load) is int and load >= 0 else None
    return Loading(part["weight_bytes"], read, possible, part.get("holds") is True, part.get("direct") is True)


def _facts_of_case(slot: Slot, case: Mapping[str, Any]) -> dict[str, float]:
    """Sizes of the model files, of the traced graph (mean over the case's runs), and of what is captured."""
    facts = sizes_of(case["model"])
    graphs = [run["graph"] for run in slot.manifest["runs"] if run["case"] == case["case"] and run.get("graph")]
    if graphs:
        facts["graph_code_kb"] = sum(graph["code_bytes"] for graph in graphs) / len(graphs) / 1e3
    return facts | captured(case["parameters"])


def sizes_of(model: Mapping[str, Any]) -> dict[str, float]:
    """The sizes that a record states of the model files that were started; what it does not state is absent."""
    keys = {
        "tokenizer_mb": ("tokenizer_bytes", 1e6),
        "size_b": ("parameters", 1e9),
        "checkpoint_mb": ("tensor_bytes", 1e6),
    }
    return {name: model[key] / unit for name, (key, unit) in keys.items() if isinstance(model.get(key), int)}


def captured(parameters: Mapping[str, Any]) -> dict[str, float]:
    """How many batch sizes graphs are captured for, where the start was told (``harness/spec/arguments.py``)."""
    given = parameters.get(CAPTURED)
    return {"captured_sizes": len(captured_sizes(given))} if isinstance(given, int | list | tuple) else {}


def paper_sides(
    rows: Iterable[PaperRow], facts: Mapping[str, Mapping[str, float]], notes: tuple[str, ...] = ()
) -> list[Side]:
    """The paper's sides, one for each slot; ``facts``: model → the numbers that the paper draws against."""
    slots: dict[str, dict[tuple[str, str], dict[tuple[str, int], dict[str, float]]]] = {}
    for row in rows:
        cases = slots.setdefault(row.slot, {})
        repeats = cases.setdefault((row.model, row.setting), {})
        repeats.setdefault((row.kind, row.iteration), {})[row.phase] = row.seconds
    return [
        Side(
            slot,
            "paper",
            paper_node(slot),
            tuple(_paper_case(*key, repeats, facts) for key, repeats in cases.items()),
            notes,
        )
        for slot, cases in sorted(slots.items())
    ]


def _paper_case(
    model: str,
    setting: str,
    repeats: Mapping[tuple[str, int], Mapping[str, float]],
    facts: Mapping[str, Mapping[str, float]],
) -> CaseData:
    parameters = {name.replace("-", "_"): _value(text) for name, _, text in (s.partition("=") for s in setting.split())}
    starts = tuple(Repeat(kind, str(number), {}, log) for (kind, number), log in sorted(repeats.items()))
    return CaseData(
        model,
        False,
        parameters,
        {**facts.get(model, {}), **captured(parameters)},
        starts,
        str(parameters.get("vllm", "")),
    )


def _value(text: str) -> Any:
    return int(text) if text.isdecimal() else text


PAPER_VERSION = "0.10.1.1"  # of vLLM, in all its figures but 1

# The machines of the paper (its recorded environment); slot → machine. Everything that is not listed is n1.
_NODES = {"gpu1": "n2: EPYC 9354, L40S", "cpu1": "n3: 2× Xeon 8568Y+, H100 80 GB"}
_HARDWARE = {"gpu1": ("EPYC 9354", "L40S"), "cpu1": ("8568Y+", "H100")}


def paper_node(slot: str) -> str:
    """The paper's machine behind a slot."""
    return _NODES.get(slot, "n1: EPYC 9354, H100 NVL")


def paper_hardware(slot: str) -> tuple[str, str]:
    """What the names of that machine's CPU and GPU contain."""
    return _HARDWARE.get(slot, ("EPYC 9354", "H100 NVL"))
