"""The hook table, which ``apply_patches.py`` writes beside the tracer; what its columns mean: harness/spec/hooks.py."""

from collections.abc import Sequence
from typing import Required, TypedDict

from coldstart_tracer._many import Window

class Target(TypedDict, total=False):
    """What every row of a table names: the function that is hooked."""

    module: Required[str]
    name: Required[str]
    optional: bool

class Hook(Target, total=False):
    """A row; absent is a column's default."""

    kind: Required[str]
    phase: str
    role: str
    why: str
    waits_for: str
    child_role: str
    starts_child: bool
    context: bool
    detail: int
    phases: dict[str, str]
    graph: int
    yields_to: Sequence[str]
    part: str
    many: bool
    within: str
    items: bool
    counts_bytes: int
    io: bool
    min_ms: float
    disarm: str
    sync: bool
    window: Window  # the tracer's own: what is added up during calls of this one

HOOKS: list[Hook]
