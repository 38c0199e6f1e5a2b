"""Which study a figure belongs to: the ``study`` line of its declaration says who reads the rest of it.

Figures of starts (``cold_start``) are ``harness/spec/figure.py``'s; each other study has a declaration of its own kind,
and a command of its own (``harness/commands/figure/studies.py``).
"""

import re
from pathlib import Path

from harness.workspace import Workspace

COLD_START = "cold_start"
OTHERS = ("prefix_sharing", "kv_headroom", "prefix_routing", "engine_anatomy")
_LINE = re.compile(r"^study:\s*[\"']?(\w+)[\"']?\s*(?:#.*)?$", re.MULTILINE)


def declared_figures(workspace: Workspace) -> dict[str, str]:
    """Every figure that has a declaration, in reading order (numbers first): name → study."""
    paths = {
        path.parent.name.removeprefix("figure-"): path for path in workspace.root.glob("figures/figure-*/figure.yaml")
    }
    names = sorted(paths, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    return {name: study_of(paths[name]) for name in names}


def study_of(declaration: Path) -> str:
    """The study that a declaration names: one of ``OTHERS``, else ``cold_start``, whose loader says what is wrong."""
    try:
        found = _LINE.search(declaration.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return COLD_START
    return found[1] if found and found[1] in OTHERS else COLD_START


def other_studies(workspace: Workspace) -> dict[str, str]:
    """The figures that are not of starts: name → study."""
    return {name: study for name, study in declared_figures(workspace).items() if study != COLD_START}
