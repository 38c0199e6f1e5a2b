"""The table of serving hooks, which ``apply_patches.py`` writes beside the tracer: harness/spec/serving_hooks.py."""

from typing import Required, TypedDict

from coldstart_tracer.hook_table import Target

class ServingHook(Target, total=False):
    """A row; absent is a column's default."""

    role: str
    stage: Required[str]
    kind: str
    why: str
    detail: bool
    tells: str
    names_tasks: bool

class ServingTask(TypedDict):
    """A coroutine that runs as a task."""

    name: str
    stage: str
    why: str

HOOKS: list[ServingHook]
TASKS: list[ServingTask]
