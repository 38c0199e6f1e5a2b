"""``python3 harness parity MODEL``: set up → compare in each precision what is not stored → print, say a verdict."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.engine_anatomy.parity_study import BYTES, ParityParameters, Planted, definition
from harness.analyse.parity import DIFFERENT, parity_of
from harness.analyse.parity_answers import answered
from harness.analyse.parity_document import document_of, failure_of
from harness.commands.parity.wanted import Wanted
from harness.door import json_errors
from harness.engine.default_pin import default_pin
from harness.engine.environment import Engine, engine_of
from harness.engine.model_store import ModelFiles, ensure_model
from harness.engine.planted_tensor import planted_tensor
from harness.errors import HarnessError
from harness.measure.conditions import check_writable, measuring
from harness.measure.inherited import THREADS
from harness.measure.parity import ParityJob, make_parity, stored_parity
from harness.measure.replay import installed, patched_engine_record
from harness.progress import say
from harness.record.anatomy_tables import STUDY
from harness.record.parity_run import FAILED, ParityRunError, Prompt, read_parity_facts, read_parity_run
from harness.record.repeats import Repeats
from harness.show.parity_print import parity_lines
from harness.spec.pin import load_pin
from harness.state.limits import memory
from harness.state.machine import this_node
from harness.traces.puzzles import make_puzzles
from harness.workspace import Workspace

_TWIN_TOKENS, _REAL_TOKENS = 32, 256  # enough to part; enough to reach a final answer
_LIMIT_S = 4 * 3600.0  # of each process; real weights on a CPU take hours
_PROCESS_BYTES = int(2.5e9)  # torch and vLLM themselves, and the KV cache


@dataclass(frozen=True)
class _On:
    """What the comparisons of a call have in common."""

    wanted: Wanted
    engine: Engine
    model: ModelFiles
    node: dict[str, Any]
    prompts: list[Prompt]
    workspace: Workspace

    @property
    def environment(self) -> dict[str, str]:
        """Of every process. One thread for twins: a second one waits longer for the first than it helps."""
        threads = self.wanted.threads or (1 if self.model.twin else len(os.sched_getaffinity(0)))
        return {**self.engine.pin.environment, THREADS: str(threads), "PYTHONDONTWRITEBYTECODE": "1"}


def run_parity(wanted: Wanted, engine: str | None, as_json: bool, workspace: Workspace) -> int:
    """Compare, print, say the verdict; 0: vLLM does what transformers does, 1: it does not, or an engine failed.

    Raises:
        HarnessError: unknown engine, no room, no such tensor; nothing was compared.
    """
    with json_errors(as_json):
        there = installed(engine_of(load_pin(engine or default_pin()), workspace))
        with measuring(workspace.root, f"parity of {wanted.model}"):
            on = _set_up(wanted, there, workspace)
            documents = [_compare(on, dtype) for dtype in wanted.dtypes]
    document = {
        "model": on.model.name,
        "twin": on.model.twin,
        "engine": on.engine.pin.name,
        "holds": not any(each["verdict"] in (DIFFERENT, FAILED) for each in documents),
        "comparisons": documents,
    }
    console = Console(highlight=False, markup=False, stderr=as_json, soft_wrap=True)
    for line in parity_lines(document):
        console.print(line)
    if as_json:
        print(json.dumps(document, allow_nan=False))
    return 0 if document["holds"] else 1


def _set_up(wanted: Wanted, engine: Engine, workspace: Workspace) -> _On:
    check_writable([workspace.runs])
    node = this_node(workspace.runs)
    model = ensure_model(wanted.model, lambda: engine.python, workspace.models, announce=say)
    puzzles = [Prompt(each.kind, each.text, each.answer) for each in make_puzzles(wanted.prompts, wanted.seed)]
    on = _On(wanted, engine, model, node, puzzles, workspace)
    for dtype in wanted.dtypes:
        _check_memory(on, _parameters(on, dtype).exact)
    return on


def _parameters(on: _On, dtype: str) -> ParityParameters:
    wanted = on.wanted
    tokens = wanted.tokens or (_TWIN_TOKENS if on.model.twin else _REAL_TOKENS)
    plant = None
    if wanted.factor is not None:
        plant = Planted(planted_tensor(on.model.path, wanted.tensor).name, wanted.factor)
    return ParityParameters(dtype, wanted.prompts, tokens, wanted.seed, plant)


def _check_memory(on: _On, exact: str) -> None:
    """Raise HarnessError if the model in the higher precision cannot fit into this machine's memory."""
    free, parameters = memory().available_bytes, on.model.parameters
    if free is None or parameters is None or on.engine.pin.device != "cpu":
        return
    needed = _PROCESS_BYTES + BYTES[exact] * parameters
    if free < needed:
        what = f"{on.model.name} in {exact}, which the precision below is judged by, needs {needed / 1e9:.1f} GB"
        raise HarnessError(f"{what} of memory, {free / 1e9:.1f} GB are free; name another --dtype or a smaller model")


def _compare(on: _On, dtype: str) -> dict[str, Any]:
    """The comparison in one precision, made if it is not stored; what is told of it."""
    parameters = _parameters(on, dtype)
    engine = patched_engine_record(on.engine)
    asked = "".join(f"{each.text}\0{each.answer}\n" for each in on.prompts)
    sha256 = hashlib.sha256(asked.encode()).hexdigest()
    defined = definition(parameters, on.model.record, engine, on.environment, sha256)
    name = parameters.name(on.model.path.name)
    stored = Repeats.of(on.workspace.runs, str(on.node["id"]), STUDY, name, defined)
    folder = stored_parity(stored)
    if folder is None:
        facts = {"model": on.model.record, "engine": engine, "node": on.node}
        job = ParityJob(stored, parameters, on.prompts, on.model, on.environment, facts, _LIMIT_S)
        folder = make_parity(job, on.engine, say)
    return _told(folder, on.workspace.root)


def _told(folder: Path, root: Path) -> dict[str, Any]:
    """What is said of a run's folder."""
    place = str(folder.relative_to(root))
    try:
        facts = read_parity_facts(folder)
        if facts.status == FAILED:
            return failure_of(facts, place)
        run = read_parity_run(folder)
    except ParityRunError as error:
        raise HarnessError(f"{error}; move that folder away and repeat") from None
    return document_of(run, parity_of(run), answered(run), place)
