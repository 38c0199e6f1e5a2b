"""Where the hooks of an engine stand: the source line that each piece of a timeline comes from."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path

from harness.analyse.source_lines import line_of
from harness.analyse.timeline import Piece
from harness.errors import HarnessError
from harness.spec.hooks import Hook, load_hooks
from harness.spec.pin import load_pin
from harness.workspace import Workspace

_MOST_HOOKS = 4  # that a piece names, where it is not known which one it is

_NO_HOOK = {
    "imports": "every import is a span: _frozen_importlib._find_and_load, wrapped by patches/tracer",
    "interpreter": "from the start of the process to the tracer's first instruction, and its exit",
    "launcher": "before the first Python process of the engine",
    "unattributed": "no hook: time of a container itself, or between spans",
}


class HookPlaces:
    """Where the hooks of one pin stand: in the engine's sources where it is installed, and in its hook table."""

    def __init__(self, pin: str, hooks: Sequence[Hook], table_lines: Sequence[int], packages: Path | None) -> None:
        self._by_name: dict[str, list[str]] = {}
        self._by_phase: dict[str, list[str]] = {}
        self._packages = packages
        for hook, line in zip(hooks, table_lines, strict=True):
            text = f"{self._place(hook)} {hook.name} (patches/{pin}/hooks.toml:{line})"
            self._by_name.setdefault(hook.name, []).append(text)
            for phase in {hook.phase, *hook.phases.values()} - {None}:
                self._by_phase.setdefault(str(phase), []).append(text)

    def of(self, piece: Piece, name: str | None) -> str | None:
        """Where the piece comes from, in words: the hook ``name`` if it is known, else the hooks of its phase."""
        if name is not None:
            return " or ".join(self._by_name.get(name, [name]))
        base = piece.phase.partition(":")[0]
        if base in _NO_HOOK:
            return _NO_HOOK[base]
        hooks = self._by_phase.get(piece.phase, [])
        more = [f"{len(hooks) - _MOST_HOOKS} more"] if len(hooks) > _MOST_HOOKS else []
        return " or ".join([*hooks[:_MOST_HOOKS], *more]) or None

    def _place(self, hook: Hook) -> str:
        """``vllm/v1/engine/core.py:88``, else the module's name."""
        stem = hook.module.replace(".", "/")
        packages = [self._packages] if self._packages else []
        for folder, name in product(packages, (f"{stem}.py", f"{stem}/__init__.py")):
            try:
                line = line_of((folder / name).read_text(encoding="utf-8"), hook.name)
            except (OSError, UnicodeDecodeError):
                continue
            return f"{name}:{line}" if line else hook.module
        return hook.module


@cache
def hook_places(pin_name: str | None, workspace: Workspace) -> HookPlaces:
    """The places of a pin's hooks; of an engine without a hook table here, none."""
    try:
        pin = load_pin(pin_name) if pin_name else None
        hooks = load_hooks(pin.hooks).hook if pin and pin.traced else ()
        text = pin.hooks.read_text(encoding="utf-8") if pin and hooks else ""
    except HarnessError:
        hooks, text = (), ""
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith("[[hook]]")]
    installed = sorted(workspace.engines.glob(f"{pin_name}/lib/python3*/site-packages")) if hooks else []
    return HookPlaces(str(pin_name), hooks, lines, next(iter(installed), None))
