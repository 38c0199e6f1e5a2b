"""The hook table of a pin: which functions of the engine become spans, and what each span means.

A table is ``patches/<pin>/hooks.toml``, an array of ``[[hook]]``. ``apply_patches.py`` installs it beside the tracer
as ``hook_table.py``; the tracer reads nothing else. See ``patches/README.md`` for how to write one.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.analyse.phases import INTERPRETER, LEAVES
from harness.errors import HarnessError
from harness.spec.yamlfile import read_declaration


class Hook(BaseModel):
    """One function of the engine and the span its calls become."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: str  # dotted module name, e.g. vllm.v1.engine.core
    name: str  # qualified name inside the module, e.g. EngineCore.__init__
    kind: Literal["work", "wait", "container"]
    # work: its own time belongs to `phase`. container: its own time is unattributed. wait: the child works meanwhile.
    phase: str | None = None  # a leaf of harness/analyse/phases.py; a wait or work without one inherits its parent's
    role: Literal["main", "api", "engine", "worker", "inspect"] | None = None  # the process it runs in, for people
    why: str  # one line: what the function does and why it is hooked
    waits_for: str | None = None  # role of the children a wait hands over to; "child" = the process object itself
    child_role: str | None = None  # role of processes started while this span is open
    starts_child: bool = False  # the call starts a process: afterwards its first argument has the child's .pid
    context: bool = False  # the function returns a context manager: the span is its `with` block
    # index of the positional argument whose text names the span further, e.g. an RPC method
    detail: int | None = Field(None, ge=0)
    phases: dict[str, str] = {}  # prefix of the detail → leaf; the first that fits replaces `phase`
    # index of the positional argument that is a traced graph (torch.fx.GraphModule), whose size the span states
    graph: int | None = Field(None, ge=0)
    # work in these phases, on the same thread, keeps a call inside it: it has no `phase` of its own there
    yields_to: tuple[str, ...] = ()
    # the span's own time is this part of its phase; {detail} and, with `counts_bytes`, {devices} ("cpu to cuda") are
    # filled in. A call that does not give {detail} by position is no part
    part: str | None = None
    many: bool = False  # called thousands of times: no spans; calls, own time and bytes are added up in the open span
    within: str | None = None  # of `many`: "module:name" of the hook during whose calls, only, this one is set
    items: bool = False  # a generator function: making each of its items is a call
    # index of the positional argument that is a tensor which the call copies to the first argument: its bytes are added
    counts_bytes: int | None = Field(None, ge=0)
    io: bool = False  # the span states how many bytes the process had from block devices meanwhile
    # shorter calls leave no span: for functions called hundreds of times, rarely for long
    min_ms: float = Field(0, ge=0, allow_inf_nan=False)
    disarm: Literal["before", "after"] | None = None  # this process is ready: remove every hook
    sync: bool = False  # with COLDSTART_TRACE_SYNC=1 wait for the accelerator before the span ends
    optional: bool = False  # absent in some builds of this version (say which in `why`): not reported as gone

    @model_validator(mode="after")
    def _consistent(self) -> "Hook":
        if self.kind == "container" and self.phase is not None:
            raise ValueError("a container has no phase: its own time is unattributed")
        for leaf in (self.phase, *self.phases.values(), *self.yields_to):
            if leaf is not None and leaf not in (*LEAVES, INTERPRETER):
                raise ValueError(f"unknown phase '{leaf}'; known: {', '.join(sorted((*LEAVES, INTERPRETER)))}")
        if self.yields_to and self.phase is None and not self.phases:
            raise ValueError("yields_to says where 'phase' does not hold: there is none")
        if self.phases and self.detail is None:
            raise ValueError("phases are chosen by the detail: name its argument with 'detail'")
        if self.many and (self.kind != "work" or not self.part or not self.within or self.phase or self.disarm):
            raise ValueError("many needs kind = 'work', 'part' and 'within', and has neither phase nor disarm")
        of_spans = (self.context, self.min_ms, self.child_role, self.starts_child, self.phases, self.graph is not None)
        if self.many and any(of_spans):
            raise ValueError("many makes no spans: no context, min_ms, child_role, starts_child, phases or graph")
        if self.part and "{devices}" in self.part and self.counts_bytes is None:
            raise ValueError("{devices} in part are those of counts_bytes")
        if self.part and "{detail}" in self.part and self.detail is None:
            raise ValueError("{detail} in part: name its argument with 'detail'")
        if (self.within or self.items or self.counts_bytes is not None) and not self.many:
            raise ValueError("within, items and counts_bytes belong to many = true")
        if self.waits_for is not None and self.kind != "wait":
            raise ValueError("waits_for belongs to kind = 'wait'")
        return self


class HookTable(BaseModel):
    """All hooks of one pin."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hook: tuple[Hook, ...]

    @model_validator(mode="after")
    def _unique(self) -> "HookTable":
        seen: set[tuple[str, str, str | None]] = set()
        for hook in self.hook:
            if (hook.module, hook.name, hook.within) in seen:
                raise ValueError(f"{hook.module}:{hook.name} is hooked twice")
            seen.add((hook.module, hook.name, hook.within))
        spans = {f"{module}:{name}" for module, name, within in seen if within is None}
        for hook in self.hook:
            if hook.within is not None and hook.within not in spans:
                raise ValueError(f"{hook.module}:{hook.name}: within = '{hook.within}' is no hook of this table")
        return self

    @property
    def untimed(self) -> frozenset[str]:
        """Names of the hooks that no second of a phase depends on: containers, and functions that are added up."""
        timed = {hook.name for hook in self.hook if not hook.many and (hook.kind != "container" or hook.child_role)}
        return frozenset({hook.name for hook in self.hook} - timed)


def load_hooks(path: Path) -> HookTable:
    """Read a ``hooks.toml``.

    Raises:
        HarnessError: absent, not TOML, or a hook that does not fit; names file, line, hook and field.
    """
    try:
        status = path.stat()
    except OSError:
        return _load(path)  # says what is wrong with it
    return _load_unchanged(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _load_unchanged(path: Path, _mtime_ns: int, _size: int) -> HookTable:
    """The file as it was at that time: reading it takes 10 ms, and every case of every figure asks for its hash."""
    return _load(path)


def _load(path: Path) -> HookTable:
    text = read_declaration(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HarnessError(f"{path}: not valid TOML: {error}") from None
    try:
        return HookTable.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "hook"
        raise HarnessError(f"{path}{_place(first['loc'], document, text)}: field '{field}': {first['msg']}") from None


def _place(location: tuple[int | str, ...], document: dict[str, Any], text: str) -> str:
    """``:line (module:name)`` of the hook that ``location`` lies in; empty if it lies in none."""
    if len(location) < 2 or not isinstance(location[1], int):
        return ""
    entry = document["hook"][location[1]]
    name = f" ({entry.get('module')}:{entry.get('name')})" if isinstance(entry, dict) else ""
    starts = [number for number, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith("[[hook]]")]
    line = f":{starts[location[1]]}" if location[1] < len(starts) else ""
    return line + name
