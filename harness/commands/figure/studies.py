"""Figures of other studies than starts: what each takes of ``run_figure.sh``'s command line, and who makes it.

A new study is one more name in ``harness/spec/study.py`` and one more entry of ``STUDIES``.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.door import json_errors
from harness.errors import HarnessError
from harness.spec.study import other_studies
from harness.workspace import Workspace


@dataclass(frozen=True)
class StudyCall:
    """What was typed for a study's figure."""

    figure: str
    smoke: bool = False
    dry_run: bool = False
    as_json: bool = False
    engine: str | None = None
    trace: Path | None = None
    data: Path | None = None
    models: tuple[str, ...] = ()
    search: str | None = None
    workload: str | None = None
    trace_memory: bool = False
    iterations: int | None = None
    strategies: tuple[str, ...] = ()
    label: str | None = None
    replicas: int | None = None
    port: int | None = None
    overrides: tuple[str, ...] = ()  # FIELD=VALUE
    serve_only: bool = False
    features: str | None = None


@dataclass(frozen=True)
class Study:
    """``takes``: parameters of the command, besides the figure's name, that mean something to this study."""

    takes: frozenset[str]
    run: Callable[[StudyCall, Workspace], None]


def _prefix_sharing(call: StudyCall, workspace: Workspace) -> None:
    from harness.commands.sharing.command import run_sharing

    run_sharing(call, workspace)


def _kv_headroom(call: StudyCall, workspace: Workspace) -> None:
    from harness.commands.headroom.command import run_headroom

    run_headroom(call, workspace)


def _prefix_routing(call: StudyCall, workspace: Workspace) -> None:
    from harness.commands.routing.command import run_routing

    run_routing(call, workspace)


def _engine_anatomy(call: StudyCall, workspace: Workspace) -> None:
    from harness.commands.anatomy.command import run_anatomy

    run_anatomy(call, workspace)


_ALL_TAKE = frozenset({"number", "smoke", "dry_run", "as_json", "engine", "wheelhouse", "reuse_python"})
_FILES = frozenset({"trace", "data"})
_HEADROOM = frozenset({"search", "workload", "trace_memory"})
_ROUTING = frozenset({"strategies", "label", "replicas", "port", "overrides", "serve_only"})
_ANATOMY = frozenset({"features", "overrides"})
_ONLY_STUDIES = _FILES | _HEADROOM | _ROUTING | _ANATOMY  # no figure of starts takes these
STUDIES = {
    "prefix_sharing": Study(_ALL_TAKE | _FILES, _prefix_sharing),
    "kv_headroom": Study(_ALL_TAKE | _FILES | _HEADROOM | {"models"}, _kv_headroom),
    "prefix_routing": Study(_ALL_TAKE | _FILES | _ROUTING | {"models", "iterations"}, _prefix_routing),
    "engine_anatomy": Study(_ALL_TAKE | _ANATOMY | {"models", "iterations"}, _engine_anatomy),
}


def run_study(call: StudyCall, typed: Collection[str], spelt: Mapping[str, str], workspace: Workspace) -> bool:
    """Make the figure, if it is of one of these studies; False: it is not, and nothing was done.

    ``typed``: parameters that stand on the command line; ``spelt``: every parameter → how it is written there.

    Raises:
        HarnessError: something was typed that the figure does not take, or what the study raises.
    """
    with json_errors(call.as_json):
        name = _study_of(call, typed, spelt, workspace)
    if name is None:
        return False
    STUDIES[name].run(call, workspace)
    return True


def _study_of(call: StudyCall, typed: Collection[str], spelt: Mapping[str, str], workspace: Workspace) -> str | None:
    """The figure's study; None: it is made of starts. Raises HarnessError: something typed is not for the figure."""
    name = other_studies(workspace).get(call.figure)
    if name is None:
        if wrong := [spelt[each] for each in _ONLY_STUDIES.intersection(typed)]:
            raise HarnessError(f"{min(wrong)} is not for figure {call.figure}, which is made of starts; leave it out")
        if call.as_json and not call.dry_run:
            raise HarnessError(f"figure {call.figure} prints no document; leave --json out, or add --dry-run")
        return None
    takes = STUDIES[name].takes
    if wrong := sorted(spelt[each] for each in set(typed) - takes):
        what = f"figure {call.figure} does not take {wrong[0]}; leave it out"
        if wrong[0] == spelt["again"]:  # its runs have no sessions
            what += f", or move runs/<node>/{name}/ away, or a case's folder in it, to have its runs made anew"
        known = ", ".join(sorted(spelt[each] for each in takes if spelt[each].startswith("--")))
        raise HarnessError(f"{what}; it takes {known}")
    return name
