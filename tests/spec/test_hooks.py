import math
import re
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.analyse.phases import LEAVES
from harness.engine.patch_set import patch_set_of
from harness.errors import HarnessError
from harness.spec.hooks import Hook, HookTable, load_hooks
from harness.spec.pin import load_pin, pin_names

GOOD = """
[[hook]]
module = "vllm.v1.engine.core"
name = "EngineCore.__init__"
kind = "work"
phase = "config"
why = "builds the core"
"""

MANY = 'many = true\npart = "copy"\nwithin = "vllm.v1.engine.core:EngineCore.run"\n'


def refusal(tmp_path: Path, text: str | bytes) -> str:
    """The one line with which this table is refused."""
    path = tmp_path / "hooks.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HarnessError) as refused:
        load_hooks(path)
    message = str(refused.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    return message.removeprefix(f"{path}:").lstrip()


@pytest.mark.parametrize("name", pin_names())
def test_the_hook_table_of_every_pin_is_valid_and_gives_a_reason_for_each_hook(name: str):
    hooks = load_hooks(load_pin(name).hooks).hook
    assert len(hooks) > 20
    assert all(len(hook.why) >= 10 and "\n" not in hook.why for hook in hooks)
    assert {"after", "before"} & {hook.disarm for hook in hooks}, "nothing would ever disarm"
    child_roles = {hook.child_role for hook in hooks} | {"child"}
    assert {hook.waits_for for hook in hooks if hook.waits_for} <= child_roles, "waits for a role that no hook gives"


def test_a_table_is_read_with_defaults_for_what_it_does_not_say(tmp_path: Path):
    (tmp_path / "hooks.toml").write_text(GOOD, encoding="utf-8")
    [hook] = load_hooks(tmp_path / "hooks.toml").hook
    assert (hook.kind, hook.phase, hook.min_ms, hook.optional, hook.detail) == ("work", "config", 0, False, None)
    assert hook.graph is None


@pytest.mark.parametrize("name", pin_names())
def test_every_pin_measures_the_traced_graph_once(name: str):
    [hook] = [hook for hook in load_hooks(load_pin(name).hooks).hook if hook.graph is not None]
    assert (hook.name, hook.phase) == ("OutputGraph.call_user_compiler", "dynamo_transform_time")


@pytest.mark.parametrize("name", [name for name in pin_names() if name.endswith("-cuda")])
def test_a_collection_that_a_captured_graph_asks_for_is_part_of_capturing(name: str):
    [collect] = [
        hook for hook in load_hooks(load_pin(name).hooks).hook if (hook.module, hook.name) == ("gc", "collect")
    ]
    assert (collect.phase, collect.yields_to) == ("gc_freeze", ("graph_capturing",))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('"config"', '"loading"'), r"field 'hook.0': .*unknown phase 'loading'; known: .*load_weights"),
        (('kind = "work"', 'kind = "container"'), r"field 'hook.0': .*a container has no phase"),
        (('kind = "work"', 'kind = "task"'), r"field 'hook.0.kind': Input should be 'work', 'wait' or 'container'"),
        (('why = "builds the core"', ""), r"field 'hook.0.why': Field required"),
        (("phase =", "fase ="), r"field 'hook.0.fase': Extra inputs are not permitted"),
        (('phase = "config"', 'waits_for = "child"'), r"field 'hook.0': .*waits_for belongs to kind = 'wait'"),
        (('phase = "config"', 'phases = {a = "config"}'), r"field 'hook.0': .*name its argument with 'detail'"),
        (('phase = "config"', 'detail = 0\nphases = {a = "nope"}'), r"field 'hook.0': .*unknown phase 'nope'"),
        (
            ('phase = "config"', 'phase = "config"\nyields_to = ["x"]'),
            r"field 'hook.0': .*unknown phase 'x'; known: .*",
        ),
        (
            ('phase = "config"', 'yields_to = ["config"]'),
            r"field 'hook.0': .*yields_to says where 'phase' does not hold",
        ),
        (('phase = "config"', "detail = -1"), r"field 'hook.0.detail': Input should be greater than or equal to 0"),
        (('phase = "config"', "min_ms = inf"), r"field 'hook.0.min_ms': Input should be a finite number"),
        (('phase = "config"', "min_ms = nan"), r"field 'hook.0.min_ms': Input should be"),
        (('phase = "config"', "min_ms = -1"), r"field 'hook.0.min_ms': Input should be greater than or equal to 0"),
        (('phase = "config"', 'disarm = "during"'), r"field 'hook.0.disarm': Input should be 'before' or 'after'"),
        (('phase = "config"', "many = true"), r"field 'hook.0': .*many needs kind = 'work', 'part' and 'within'"),
        (('phase = "config"', MANY + "min_ms = 1"), r"field 'hook.0': .*many makes no spans"),
        (('phase = "config"', MANY + 'disarm = "after"'), r"field 'hook.0': .*has neither phase nor disarm"),
        (('phase = "config"', 'within = "a:b"'), r"field 'hook.0': .*within, items and counts_bytes belong to many"),
        (('phase = "config"', 'part = "{devices}"'), r"field 'hook.0': .*are those of counts_bytes"),
        (('phase = "config"', 'part = "{detail}"'), r"field 'hook.0': .*name its argument with 'detail'"),
        (('phase = "config"', 'role = "boss"'), r"field 'hook.0.role': Input should be 'main', "),
    ],
    ids=lambda value: value[1][:40] if isinstance(value, tuple) else "",
)
def test_a_bad_hook_is_refused_by_file_hook_and_field(tmp_path: Path, change: tuple[str, str], expected: str):
    assert GOOD.count(change[0]) == 1
    message = refusal(tmp_path, GOOD.replace(*change))
    assert re.fullmatch(r"2 \(vllm\.v1\.engine\.core:EngineCore\.__init__\): " + expected + ".*", message), message


def test_the_second_hook_is_named_by_its_own_place(tmp_path: Path):
    message = refusal(tmp_path, GOOD + GOOD.replace("EngineCore.__init__", "EngineCore.run").replace('"work"', '"w"'))
    assert message.startswith("9 (vllm.v1.engine.core:EngineCore.run): field 'hook.1.kind': ")


def test_a_function_hooked_twice_is_refused(tmp_path: Path):
    assert "vllm.v1.engine.core:EngineCore.__init__ is hooked twice" in refusal(tmp_path, GOOD + GOOD)


def test_a_function_may_be_added_up_within_several_hooks_of_the_table_and_no_others(tmp_path: Path):
    others = "".join(GOOD.replace("__init__", name) for name in ("run", "load"))
    copies = (
        GOOD.replace('phase = "config"', MANY),
        GOOD.replace('phase = "config"', MANY.replace(":EngineCore.run", ":EngineCore.load")),
    )
    (tmp_path / "hooks.toml").write_text(others + "".join(copies), encoding="utf-8")
    assert [hook.within for hook in load_hooks(tmp_path / "hooks.toml").hook if hook.many] == [
        "vllm.v1.engine.core:EngineCore.run",
        "vllm.v1.engine.core:EngineCore.load",
    ]
    assert "is hooked twice" in refusal(tmp_path, others + copies[0] * 2)
    assert "within = 'vllm.v1.engine.core:EngineCore.run' is no hook of this table" in refusal(tmp_path, copies[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[hook]\n", r"not valid TOML: .*\(at line 1, column \d+\)"),
        (GOOD + "why = 'again'\n", r"not valid TOML: Cannot overwrite a value \(at line 8, .*"),
        (b"why = '\xff'\n", r"not UTF-8 text \(.* at byte 7\)"),
        ("", r"field 'hook': Field required"),
        ("[[hooks]]\n", r"field 'hook': Field required"),
        ("hook = 7\n", r"field 'hook': Input should be a valid tuple"),
        ("hook = ['x']\n", r"field 'hook.0': Input should be a valid dictionary.*"),
        ("hook = [[]]\n", r"field 'hook.0': Input should be a valid dictionary.*"),
        ("[hook]\nmodule = 'm'\n", r"field 'hook': Input should be a valid tuple"),
        (GOOD + "[more]\n", r"field 'more': Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_no_hook_table_is_refused_by_what_and_where(tmp_path: Path, text: str | bytes, expected: str):
    message = refusal(tmp_path, text)
    assert re.fullmatch(expected, message), message


def test_a_hook_table_that_cannot_be_read_is_refused(tmp_path: Path):
    with pytest.raises(HarnessError, match=r"absent\.toml: no such file$"):
        load_hooks(tmp_path / "absent.toml")
    with pytest.raises(HarnessError, match=r": cannot read: Is a directory$"):
        load_hooks(tmp_path)


NAMES = st.text(min_size=1, max_size=8)
LEAF_NAMES = st.sampled_from(sorted(LEAVES))
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "role": st.sampled_from(("main", "engine", "worker", "inspect")),
    "phase": LEAF_NAMES,
    "waits_for": NAMES,
    "child_role": NAMES,
    "starts_child": st.booleans(),
    "context": st.booleans(),
    "yields_to": st.lists(LEAF_NAMES, max_size=2).map(tuple),
    "detail": st.integers(0, 5),
    "phases": st.dictionaries(NAMES, LEAF_NAMES, max_size=3),
    "min_ms": st.sampled_from((math.inf, math.nan, 0.5)) | st.floats(min_value=0),
    "disarm": st.sampled_from(("before", "after")),
    "sync": st.booleans(),
    "optional": st.booleans(),
}
KINDS = st.sampled_from(("work", "wait", "container"))
HOOKS = st.fixed_dictionaries({"module": NAMES, "name": NAMES, "kind": KINDS, "why": st.text()}, optional=COLUMNS)


def tidy(hook: dict[str, Any]) -> dict[str, Any]:
    """The hook without the columns that its kind cannot have."""
    unfit = {"work": ["waits_for"], "wait": [], "container": ["waits_for", "phase"]}[hook["kind"]]
    return {"detail": 0} | {column: value for column, value in hook.items() if column not in unfit}


@given(hooks=st.lists(HOOKS.map(tidy), max_size=4))
def test_every_valid_table_survives_the_way_into_the_engine_as_a_python_literal(hooks: list[dict[str, Any]]):
    try:
        table = HookTable.model_validate({"hook": hooks})
    except ValidationError as error:
        event("refused: " + error.errors()[0]["type"])
        return
    literals = "".join(f"    {hook.model_dump(exclude_defaults=True)!r},\n" for hook in table.hook)
    installed = as_module(f"HOOKS = [\n{literals}]\n")
    assert HookTable.model_validate({"hook": installed}) == table
    for raw, hook in zip(installed, table.hook, strict=True):
        assert list(raw.get("phases", {})) == list(hook.phases)  # the first prefix that fits wins


def as_module(source: str | bytes) -> list[dict[str, Any]]:
    """What the tracer finds in a ``hook_table.py``."""
    module = types.ModuleType("hook_table")
    exec(compile(source, "hook_table.py", "exec"), module.__dict__)
    hooks: list[dict[str, Any]] = module.HOOKS
    return hooks


@pytest.mark.parametrize("name", pin_names())
def test_the_installed_table_of_every_pin_says_what_its_toml_says(name: str):
    pin = load_pin(name)
    table = patch_set_of(pin).added()["coldstart_tracer/hook_table.py"]
    assert HookTable.model_validate({"hook": as_module(table)}) == load_hooks(pin.hooks)


def test_hooks_cannot_be_changed_after_they_were_checked():
    hook = Hook(module="m", name="n", kind="work", why="w")
    with pytest.raises(ValidationError):
        hook.phase = "config"  # type: ignore[misc]
