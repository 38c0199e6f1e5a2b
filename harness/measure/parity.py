"""One comparison of vLLM with transformers: (plant) → vLLM answers → transformers judges → the run's folder.

Each engine is a process of its own under the engine's Python, so that neither sets up the other's libraries. Whatever
fails is a failed run that says where and why; Ctrl-C leaves none.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.engine_anatomy.parity_study import LISTED, ParityParameters
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.engine.planted_tensor import planted_tensor
from harness.engine.study_worker import run_worker
from harness.errors import HarnessError, MeasurementFailed
from harness.measure.inherited import inherited
from harness.measure.provenance import harness_facts, utc_now
from harness.record.parity_run import (
    ANSWERS,
    FAILED,
    OK,
    PROMPTS,
    REFERENCES,
    Answer,
    ParityFacts,
    ParityRunError,
    Prompt,
    Reference,
    checked_run,
    lines_of,
    write_lines,
)
from harness.record.plain import printable
from harness.record.private import names_here, without_private
from harness.record.repeats import Repeats

_WORKER = "experiments.engine_anatomy.worker_parity_"
_LONGEST_REASON = 300
_RUN = 1  # greedy answers of the same engine: one run of a case is all


@dataclass(frozen=True)
class ParityJob:
    """What is to be compared, and where it belongs. ``facts``: model, engine, node, as parity.json has them."""

    stored: Repeats
    parameters: ParityParameters
    prompts: Sequence[Prompt]
    model: ModelFiles
    environment: dict[str, str]
    facts: Mapping[str, Any]
    limit_s: float  # of each process


def stored_parity(stored: Repeats) -> Path | None:
    """The case's complete comparison; None: it was never made."""
    return stored.run(_RUN) if stored.run(_RUN).is_dir() else None


def make_parity(job: ParityJob, engine: Engine, announce: Callable[[str], None]) -> Path:
    """Compare; returns the run's folder, which says whether it is ok."""
    working = job.stored.begin(_RUN)
    made = _Run(job, engine, working, announce)
    try:
        try:
            made.compare()
        except (MeasurementFailed, ParityRunError, OSError) as error:
            made.facts(FAILED, printable(made.without_places(str(error)), _LONGEST_REASON)).write(working)
            return job.stored.close(_RUN, working, is_ok=False)
    except BaseException:  # Ctrl-C: there is no run
        shutil.rmtree(working, ignore_errors=True)
        raise
    return job.stored.close(_RUN, working, is_ok=True)


class _Run:
    """What is known of the run so far."""

    def __init__(self, job: ParityJob, engine: Engine, working: Path, announce: Callable[[str], None]) -> None:
        self.job, self.engine, self.working, self.announce = job, engine, working, announce
        self.started = utc_now()
        self.stage = "vllm"
        self.seconds: dict[str, float] = {}
        self.versions: dict[str, str] = {}
        self.chat: bool | None = None

    def compare(self) -> None:
        """Fill the folder. Raises MeasurementFailed, ParityRunError, OSError."""
        job, asked = self.job, self.job.parameters
        write_lines(self.working / PROMPTS, list(job.prompts))
        with_fault = self._planted() if asked.plant else job.model.path
        texts = [prompt.text for prompt in job.prompts]
        common = {"dtype": asked.dtype, "tokens": asked.tokens}
        told = self._ask("vllm", {**common, "model": str(with_fault.resolve()), "listed": LISTED, "texts": texts})
        shutil.rmtree(self.working / "planted", ignore_errors=True)  # links and a shard: large, and made again at will
        self.versions = {name: str(told[name]) for name in ("vllm", "torch", "transformers")}
        self.chat = bool(told["chat"])
        answers = lines_of(told["answers"], Answer, "vLLM's answers")
        write_lines(self.working / ANSWERS, answers)
        grows = not job.model.twin  # what a twin would say further on means nothing, and takes most of the time
        more = {"exact": asked.exact, "device": self.engine.pin.device, "grows": grows, "answers": told["answers"]}
        told = self._ask("reference", {**common, **more, "model": str(job.model.path.resolve())})
        references = lines_of(told["references"], Reference, "transformers' references")
        write_lines(self.working / REFERENCES, references)
        facts = self.facts(OK, None)
        checked_run(facts, job.prompts, answers, references)
        facts.write(self.working)

    def _planted(self) -> Path:
        """A copy of the model's folder with the fault in it."""
        plant, copy = self.job.parameters.plant, self.working / "planted"
        assert plant is not None
        found = planted_tensor(self.job.model.path, plant.tensor)
        model, out = str(self.job.model.path.resolve()), str(copy.resolve())
        self._ask(
            "plant", {"model": model, "file": found.file, "tensor": found.name, "factor": plant.factor, "out": out}
        )
        return copy

    def _ask(self, worker: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Run a worker; what it says. Raises MeasurementFailed."""
        self.stage = {"reference": "transformers"}.get(worker, worker)
        request, result = (self.working / f"{worker}.{name}.json" for name in ("request", "result"))
        request.write_text(json.dumps(asked), encoding="utf-8")
        what = f"{self.stage} in {self.job.parameters.dtype}"
        self.announce(f"{self.job.model.name}: {what} …")
        begun = time.monotonic()
        try:
            run_worker(
                self.engine.python,
                _WORKER + worker,
                (request, result),
                self.job.environment,
                what,
                self.job.limit_s,
                inherited=inherited(),
            )
        except HarnessError as error:
            raise MeasurementFailed(str(error)) from None
        self.seconds[self.stage] = round(time.monotonic() - begun, 3)
        told: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        request.unlink()
        result.unlink()
        return told

    def without_places(self, text: str) -> str:
        """What went wrong, for a record that travels: places of this machine by what they are, nobody's names."""
        names = {
            self.engine.python: self.engine.pin.name,
            self.working: "the run's folder",
            self.job.model.path: self.job.model.path.name,
        }
        for place, name in names.items():
            for written in (str(place), str(place.resolve())):
                text = text.replace(written, name)
        return str(without_private(text, names_here()))

    def facts(self, status: str, reason: str | None) -> ParityFacts:
        """parity.json, as far as the run came."""
        for left in self.working.glob("*.json"):
            left.unlink()  # a request or result of a worker that failed: they name folders of this machine
        shutil.rmtree(self.working / "planted", ignore_errors=True)
        return ParityFacts(
            **self.job.facts,
            case=self.job.stored.case,
            status=status,
            failed_in=None if status == OK else self.stage,
            reason=reason,
            started_at=self.started,
            parameters=self.job.parameters.document(),
            versions=self.versions,
            chat=self.chat,
            seconds=self.seconds,
            environment=self.job.environment,
            harness=harness_facts(),
        )
