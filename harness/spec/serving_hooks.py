"""The serving hook table of a pin: which functions make rows while the engine serves, and which stage they are.

``patches/<pin>/serving.toml``: an array of ``[[hook]]`` and one of ``[[task]]``, which names coroutines that run as
tasks of their own. ``apply_patches.py`` installs it beside the tracer as ``serving_table.py``.
"""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from harness.analyse.stages import ENGINE, EVENT_LOOP, STAGES, WORKER
from harness.errors import HarnessError
from harness.spec.yamlfile import read_declaration

_FROZEN = ConfigDict(extra="forbid", frozen=True)


class ServingHook(BaseModel):
    """One function, and the rows that its calls (of a coroutine: its steps) make."""

    model_config = _FROZEN
    module: str
    name: str
    role: Literal["api", "engine", "worker"]  # the process that it is set in
    stage: str  # of harness/analyse/stages.py
    kind: Literal["work", "wait", "container"] = "work"
    why: str
    detail: bool = False  # called for every token: makes rows only in the short intervals in which detail is asked for
    # what it says besides its time: a function of the tracer's _serving_told.py
    tells: Literal["scheduled", "updated", "processed", "received", "made", "asked"] | None = None
    names_tasks: bool = False  # makes no rows: from this call on, tasks of the running loop are rows under their names
    optional: bool = False  # absent in some builds of this version (say which in ``why``)

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        # With one GPU the engine core executes the model itself.
        stages = [*STAGES[self.role], *(STAGES[WORKER] if self.role == ENGINE else ())]
        if self.stage not in stages or self.stage == EVENT_LOOP:
            known = ", ".join(stage for stage in stages if stage != EVENT_LOOP)
            raise ValueError(f"unknown stage '{self.stage}' of the {self.role}; known: {known}")
        return self


class ServingTask(BaseModel):
    """A coroutine, by its qualified name, that runs as a task in the API server; ``*``: every other one."""

    model_config = _FROZEN
    name: str
    stage: str
    why: str

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.stage not in STAGES["api"] or self.stage == EVENT_LOOP:
            raise ValueError(f"unknown stage '{self.stage}' of the api")
        return self


class ServingTable(BaseModel):
    """Both arrays."""

    model_config = _FROZEN
    hook: tuple[ServingHook, ...]
    task: tuple[ServingTask, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        targets = [(hook.module, hook.name, hook.role) for hook in self.hook]
        if twice := next((each for each in targets if targets.count(each) > 1), None):
            raise ValueError(f"{twice[0]}:{twice[1]} is hooked twice in the {twice[2]}")
        if "*" not in {task.name for task in self.task}:
            raise ValueError("no task is named '*': what are the others?")
        return self


def load_serving_hooks(path: Path) -> ServingTable:
    """Read a ``serving.toml``.

    Raises:
        HarnessError: absent, not TOML, or an entry that does not fit (it is named).
    """
    text = read_declaration(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HarnessError(f"{path}: not valid TOML: {error}") from None
    try:
        return ServingTable.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"]
        entry = document[str(place[0])][place[1]] if len(place) > 1 and isinstance(place[1], int) else {}
        named = f" ({entry.get('name')})" if isinstance(entry, dict) and entry else ""
        raise HarnessError(f"{path}{named}: {'.'.join(map(str, place)) or 'table'}: {first['msg']}") from None
