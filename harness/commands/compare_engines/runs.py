"""The runs of a comparison: which are stored, which are made, and each one's folder."""

import itertools
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.commands.compare_engines.asked import ComparisonAsked
from harness.commands.compare_engines.prompts import described, longest_request, repeats_of
from harness.commands.compare_engines.serve import Engines, Up, all_served, engine_definition, shape_of
from harness.commands.compare_engines.tokens import Counter
from harness.errors import HarnessError
from harness.measure.comparison import Repeat, measure_repeat
from harness.measure.provenance import harness_facts, utc_now
from harness.measure.served_engines import Shape
from harness.progress import say
from harness.record.anatomy_tables import STUDY
from harness.record.atomic import write_json
from harness.record.comparison_run import (
    CLIENT_FILE,
    FAILED,
    OK,
    TOKENS_FILE,
    UNCOUNTED,
    ComparisonError,
    ComparisonFacts,
    ComparisonRun,
    TargetFacts,
    read_comparison,
)
from harness.record.load_output import write_records
from harness.record.private import names_here, without_private
from harness.record.repeats import Repeats
from harness.workspace import Workspace

_BESIDES = 64  # tokens of a context beyond prompt and answer


@dataclass(frozen=True)
class Comparing:
    """A comparison, ready to be made."""

    asked: ComparisonAsked
    engines: Engines
    counter: Counter | None
    node: dict[str, Any]
    workspace: Workspace

    @cached_property
    def shape(self) -> Shape:
        """How engines started here serve, whichever repeats are still to be made."""
        return shape_of(self.asked, self.engines, longest_request(self.asked.load) + _BESIDES)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """What decides the case: targets with how they are served, model, load, tokenizer."""
        asked, names = self.asked, names_here()
        served = [engine_definition(kind, engine, self.shape) for kind, engine in self.engines.installed.items()]
        return {
            "study": STUDY,
            "part": "engines",
            "served": served,
            "external": [{"name": each.name, "model": without_private(each.model, names)} for each in asked.external],
            "model": self.engines.model_record,
            "load": described(asked.load),
            "tokenizer": self.counter.record if self.counter else None,
        }

    def stored(self) -> Repeats:
        """Where its runs belong. Raises CaseFolderError: the case's folder is of another case."""
        readable = "engines_" + "_".join(self.asked.names)[:60]
        return Repeats.of(self.workspace.runs, str(self.node["id"]), STUDY, readable, self.definition)


def numbers_of(comparing: Comparing, stored: Repeats) -> list[int]:
    """Of the repeats that are shown: the newest complete ones, and as many more as are missing.

    A server that runs elsewhere may have changed: its runs are made anew, as all are with ``--again``.
    """
    count, asked = comparing.asked.load.repeats, comparing.asked
    there = [path.name for path in stored.folder.iterdir() if path.is_dir()]
    if asked.external or asked.again:
        begun = (name.partition(".")[0] for name in there)
        last = max((int(name) for name in begun if name.isdecimal()), default=0)
        return list(range(last + 1, last + count + 1))
    complete = sorted(int(name) for name in there if name.isdecimal())[-count:]
    free = (number for number in itertools.count(1) if number not in complete)
    return sorted([*complete, *itertools.islice(free, count - len(complete))])


def make_runs(comparing: Comparing) -> list[ComparisonRun]:
    """The runs that are shown; those that are not stored are made, the engines being up for all of them.

    Raises:
        HarnessError: prompts or the store cannot be used.
    """
    stored = comparing.stored()
    numbers = numbers_of(comparing, stored)
    repeats = repeats_of(comparing.asked.load, numbers)
    missing = [repeat for repeat in repeats if not stored.run(repeat.number).is_dir()]
    if missing:
        _make(comparing, stored, missing)
    else:
        say("every run is stored (--again measures new ones)")
    shown = [folder for number in numbers if (folder := stored.shown(number)) is not None]
    try:
        return [read_comparison(folder) for folder in shown]
    except ComparisonError as error:
        raise HarnessError(f"{error}; move the folder away and repeat") from None


def _make(comparing: Comparing, stored: Repeats, missing: Sequence[Repeat]) -> None:
    scratch = comparing.workspace.caches / "engines-compare"  # logs of the last call
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with all_served(comparing.asked, comparing.engines, comparing.shape, scratch, comparing.workspace) as up:
        for repeat in missing:
            _make_one(comparing, stored, repeat, up)


def _make_one(comparing: Comparing, stored: Repeats, repeat: Repeat, up: Up) -> None:
    working = stored.begin(repeat.number)
    try:
        complete = _measure_into(working, stored.case, comparing, repeat, up)
    except BaseException:  # Ctrl-C, say: there is no run
        shutil.rmtree(working, ignore_errors=True)
        raise
    stored.close(repeat.number, working, complete)


def _measure_into(working: Path, case: str, comparing: Comparing, repeat: Repeat, up: Up) -> bool:
    """Measure, and write the run's files; whether no target is a gap."""
    started = utc_now()
    measured = measure_repeat(repeat, up.contenders, say)
    tokens, tokenizer = None, comparing.counter.record if comparing.counter else None
    if comparing.counter is not None:
        try:
            tokens = comparing.counter.ids(measured.records)
        except HarnessError as error:  # never counted in another way instead: the run is kept, and made again
            say(f"repeat {repeat.number}: no token is counted: {error}")
            tokenizer = {**comparing.counter.record, UNCOUNTED: True}
            uncounted = dict.fromkeys(measured.models, f"its answers' tokens could not be counted: {error}")
            measured.gaps = uncounted | measured.gaps
    targets = [_closed(each, measured.models, measured.gaps) for each in up.targets]
    complete = not any(each.gap for each in targets)
    facts = ComparisonFacts(
        case=case,
        run=repeat.number,
        status=OK if complete else FAILED,
        started_at=started,
        parameters=comparing.definition["load"] | {"threads": comparing.shape.threads},
        tokenizer=tokenizer,
        model=comparing.engines.model_record,
        node=comparing.node,
        harness=harness_facts(),
        targets=targets,
        levels=measured.levels,
        greedy=measured.greedy,
    )
    facts.write(working)
    write_records(working / CLIENT_FILE, measured.records)
    if tokens is not None:
        write_json(working / TOKENS_FILE, tokens)
    for log in (comparing.workspace.caches / "engines-compare").glob("*.log"):
        with suppress(OSError):
            shutil.copyfile(log, working / log.name)
    return complete


def _closed(target: TargetFacts, models: dict[str, str], gaps: dict[str, str]) -> TargetFacts:
    names = names_here()
    gap = without_private(target.gap or gaps.get(target.name), names)
    return replace(target, model=without_private(target.model, names) or models.get(target.name), gap=gap)
