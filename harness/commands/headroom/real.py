"""What the KV head-room figure asks of the real engine: step times, and points that replays are held against.

The CPU engine takes no blocks smaller than 32 tokens: its cache has as many tokens as the simulated one, in fewer
blocks. What the model of random weights answers is recorded, and replayed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.kv_headroom.study import SERVING, Policy
from experiments.model_free.sources import sources_sha256
from harness.analyse.step_time_fit import StepTimeFit, fit_step_time
from harness.commands.headroom.workloads import place_documents
from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.errors import HarnessError
from harness.measure.inherited import THREADS
from harness.measure.real_job import make_real_job
from harness.measure.real_points import WantedPoint, make_points, missing_points
from harness.measure.replay import patched_engine_record
from harness.record.headroom_tables import STEPS, STUDY
from harness.record.real_point import RealEngine, RealParameters, RealPoint, StepRow, read_real_point
from harness.record.replay import Parameters, StepTime
from harness.record.replay_rows import ReplayError
from harness.record.replay_store import StoredReplay
from harness.spec.headroom import AnyWorkload, HeadroomFigure
from harness.spec.models import find_model
from harness.traces.calibration import calibration_rows
from harness.workspace import Workspace

STEP_CLOCK = StepTime(1.0, 0.0, 0.0, 0.0)  # a virtual second is an engine step
_LONGEST = 2048  # tokens of a request: what opt-125m and its kind take
_WARM_UP = 30  # first steps of an engine


@dataclass(frozen=True)
class RealTier:
    """The engine that serves points of one model, with so many threads, and where they are stored."""

    figure: HeadroomFigure
    model: ModelFiles
    engine: Engine
    node: str
    threads: int
    workspace: Workspace

    @property
    def environment(self) -> dict[str, str]:
        """Of the engine's process, beside what it inherits."""
        return {**self.engine.pin.environment, THREADS: str(self.threads)}

    def configured(self, declared: AnyWorkload) -> RealEngine:
        """An engine with as many tokens of KV cache as the workload's, vLLM's null block aside."""
        size = self.figure.real_block_size
        blocks = (declared.num_blocks - 1) * self.figure.block_size // size + 1
        return RealEngine(
            num_blocks=blocks,
            max_model_len=_LONGEST,
            block_size=size,
            max_num_seqs=self.figure.max_num_seqs,
            max_num_batched_tokens=self.figure.max_num_batched_tokens,
        )

    def wanted(self, name: str, trace: Path, parameters: RealParameters, events: bool = False) -> WantedPoint:
        """A point that is stored under ``name`` and what defines it."""
        job = make_real_job(trace, parameters, events)
        definition = {
            "study": STUDY,
            "tier": "real",
            "model": self.model.record,
            "trace": {"sha256": job.facts.sha256, "format": job.facts.format},
            "parameters": asdict(parameters),
            "events": events,
            "engine": patched_engine_record(self.engine),
            "environment": self.environment,
            "workers_sha256": sources_sha256(SERVING),
        }
        return WantedPoint(
            StoredReplay.of(self.workspace.runs, self.node, STUDY, f"real_{name}", definition), definition, job
        )

    def serve(self, wanted: Sequence[WantedPoint]) -> list[RealPoint]:
        """The points, those that are not stored on one engine after the other.

        Raises:
            HarnessError: one that is stored is damaged; MeasurementFailed: the engine failed.
        """
        todo = missing_points(wanted, self.model, self.engine)
        if todo:
            make_points(todo, self.model, self.engine, self.figure.timeout_s)
        return [_read(each) for each in wanted]


@dataclass(frozen=True)
class Calibration:
    """Step times of a model on this machine. ``fit`` is told apart by ``fitted`` steps and those it never saw."""

    fit: StepTimeFit
    fitted: Sequence[StepRow]
    held_out: Sequence[StepRow]

    @property
    def step_time(self) -> StepTime:
        """The virtual clock's."""
        return self.fit.step_time


def calibration_steps(tier: RealTier, declared: AnyWorkload, seed: int) -> list[StepRow]:
    """Timed steps of every kind, on an engine with the workload's cache; those of its warm-up are left out.

    Raises:
        HarnessError: as ``RealTier.serve``.
    """
    engine = tier.configured(declared)
    rows = calibration_rows(engine, find_model(tier.model.name).config.vocabulary, seed)
    trace = place_documents(f"calibration-{seed}", rows, tier.workspace)
    name = f"calibration{seed}_{tier.model.name}"
    (point,) = tier.serve([tier.wanted(name, trace, RealParameters(engine, STEPS))])
    return list(point.steps)[_WARM_UP:]


def calibrated(fitted: Sequence[StepRow], held_out: Sequence[StepRow]) -> Calibration:
    """Step times fitted to some steps, with their error on others. Raises HarnessError: too few steps."""
    return Calibration(fit_step_time(fitted, held_out), fitted, held_out)


def counterpart(point: WantedPoint, policy: Policy, step_time: StepTime) -> tuple[Path, Parameters]:
    """What a replay must be given to do what the real point did: trace and parameters."""
    asked = point.job.parameters
    parameters = Parameters(
        block_size=asked.engine.block_size,
        num_blocks=asked.engine.num_blocks,
        watermark=policy.watermark,
        headroom=policy.headroom,
        max_num_seqs=asked.engine.max_num_seqs,
        max_num_batched_tokens=asked.engine.max_num_batched_tokens,
        step_time=STEP_CLOCK if asked.arrivals == STEPS else step_time,
    )
    return point.stored.run / "trace.jsonl", parameters


def _read(point: WantedPoint) -> RealPoint:
    try:
        return read_real_point(point.stored.run)
    except ReplayError as error:
        raise HarnessError(f"{error}; remove {point.stored.folder} and repeat") from None
