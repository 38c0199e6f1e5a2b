"""Fitting a hook table to sources it was not written for."""

import tempfile
from pathlib import Path

import pytest
from fake_environment import write
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.engine.hook_check import gone_hooks
from harness.engine.hook_fit import Fit, fit_hooks
from harness.spec.hooks import Hook

SOURCES = {
    "vllm/__init__.py": "",
    "vllm/core.py": "class Core:\n    def start(self): ...\ndef main(): ...\n",
    "vllm/new/__init__.py": "class Moved:\n    def start(self): ...\ndef load_weights(): ...\n",
    "vllm/a.py": "class Twice:\n    def start(self): ...\n",
    "vllm/b.py": "class Twice:\n    def start(self): ...\n",
    "vllm/words.py": "# class Mentioned:\n#    def start(self): ...\n",
    "vllm/future.py": "def of_another_python(: ...\nclass Broken:\n    def start(self): ...\n",
}


def hook(module: str, name: str, **more: object) -> Hook:
    return Hook(module=module, name=name, kind="container", why="a test", **more)  # type: ignore[arg-type]


def fit(tmp_path: Path, *hooks: Hook) -> Fit:
    write(tmp_path, SOURCES)
    return fit_hooks(hooks, tmp_path / "vllm", [])


def test_a_method_that_one_other_module_defines_is_hooked_there(tmp_path: Path) -> None:
    result = fit(tmp_path, hook("vllm.old", "Moved.start", min_ms=3.0))
    assert [str(moved) for moved in result.moved] == ["vllm.old:Moved.start: now in vllm.new"]
    assert result.hooks == (hook("vllm.new", "Moved.start", min_ms=3.0),)
    assert not result.gone


def test_a_function_of_several_words_is_hooked_where_it_moved(tmp_path: Path) -> None:
    assert [moved.to for moved in fit(tmp_path, hook("vllm.core", "load_weights")).moved] == ["vllm.new"]


@pytest.mark.parametrize(
    ("module", "name", "nearest"),
    [
        ("vllm.old", "main", "vllm.core:main"),  # a name that says nothing
        ("vllm.old", "Twice.start", "vllm.a:Twice.start, vllm.b:Twice.start"),  # two candidates
        ("vllm.old_place", "Mentioned.start", "vllm.core"),  # only in a comment
        ("vllm.old_place", "Broken.start", "vllm.core"),  # in a file of another Python
        ("vllm.core", "Core.begin_start", "Core.start"),
        ("elsewhere.old", "Moved.start", None),  # not a module of vllm
    ],
)
def test_what_could_be_a_mistake_is_reported_and_not_hooked(
    tmp_path: Path, module: str, name: str, nearest: str | None
) -> None:
    result = fit(tmp_path, hook(module, name))
    assert (result.hooks, result.moved) == ((), ())
    assert [(gone.name, gone.nearest) for gone in result.gone] == [(name, nearest)]


def test_a_place_that_the_table_hooks_already_is_not_hooked_twice(tmp_path: Path) -> None:
    there, gone = hook("vllm.new", "Moved.start"), hook("vllm.old", "Moved.start")
    assert fit(tmp_path, gone, there).hooks == (there,)
    once, again = hook("vllm.old", "Moved.start"), hook("vllm.older", "Moved.start")
    assert [moved.module for moved in fit(tmp_path, once, again).moved] == ["vllm.old"]


def test_a_target_in_a_file_of_another_python_is_gone_and_says_why(tmp_path: Path) -> None:
    result = fit(tmp_path, hook("vllm.future", "Broken.start", disarm="after"))
    assert [(gone.disarm, gone.problem.partition(" as ")[0]) for gone in result.gone] == [
        (True, "its file does not parse")
    ]


def test_what_is_added_up_follows_the_hook_within_whose_calls_it_is(tmp_path: Path) -> None:
    def added(within: str) -> Hook:
        return Hook(module="vllm.core", name="main", kind="work", why="a test", many=True, part="x", within=within)

    there, moved = hook("vllm.core", "Core.start"), hook("vllm.old", "Moved.start")
    gone = hook("vllm.core", "Core.end")
    within = ("vllm.core:Core.start", "vllm.old:Moved.start", "vllm.core:Core.end")
    result = fit(tmp_path, there, moved, gone, *map(added, within))
    assert [each.within for each in result.hooks if each.many] == ["vllm.core:Core.start", "vllm.new:Moved.start"]


def test_an_optional_hook_without_target_is_absent_not_gone(tmp_path: Path) -> None:
    result = fit(tmp_path, hook("vllm.old", "nothing", optional=True))
    assert [hook.name for hook in result.absent] == ["nothing"]
    assert not result.gone


MODULES = ["vllm.a", "vllm.b", "vllm.sub.a", "vllm.gone"]
NAMES = ["main", "load_weights", "Core.start", "Core.stop", "Worker.start"]


@settings(deadline=None)
@given(
    defined=st.lists(st.tuples(st.sampled_from(MODULES[:3]), st.sampled_from(NAMES)), unique=True),
    table=st.lists(
        st.tuples(st.sampled_from(MODULES), st.sampled_from(NAMES), st.booleans()), unique_by=lambda x: x[:2]
    ),
)
def test_every_hook_is_in_exactly_one_list_and_what_is_installed_is_there(
    defined: list[tuple[str, str]], table: list[tuple[str, str, bool]]
) -> None:
    sources = {"vllm/__init__.py": "", "vllm/sub/__init__.py": ""}
    for module in MODULES[:3]:
        lines = []
        for name in [name for where, name in defined if where == module]:
            owner, _, method = name.rpartition(".")
            lines += [f"class {owner}_: ...", f"class {owner}:", f"    def {method}(self): ..."] if owner else []
            lines += [] if owner else [f"def {name}(): ..."]
        sources[module.replace(".", "/") + ".py"] = "\n".join(lines) + "\n"
    hooks = [hook(module, name, optional=optional) for module, name, optional in table]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), sources)
        result = fit_hooks(hooks, Path(folder) / "vllm", [])
        assert gone_hooks(result.hooks, [Path(folder)]) == []
        expected = {(h.module, h.name) for h in gone_hooks(hooks, [Path(folder)])}
    installed = [(h.module, h.name) for h in result.hooks]
    assert len(installed) == len(set(installed))
    back = {(moved.to, moved.name): (moved.module, moved.name) for moved in result.moved}
    original = [back.get(place, place) for place in installed]
    lost = {(h.module, h.name) for h in (*result.gone, *result.absent)}
    assert original == [place for place in ((h.module, h.name) for h in hooks) if place not in lost]
    assert expected == lost | set(back.values())
