import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.spec.figure import figure_numbers, load_figure
from harness.spec.models import load_models
from harness.spec.state import StartState
from harness.workspace import Workspace

GOOD = """\
figure: "2"
question: "Where?" # this comment and the question are on line 2
study: cold_start
models: [llama3-3b]
iterations: 5
smoke: {iterations: 1}
parameters: {max_model_len: 4096}
slots: [node0]
timeout_s: 900
"""


def checkout(root: Path, **figures: str) -> Workspace:
    """A checkout with these figures: f2="text of figure 2's declaration"."""
    for number, text in figures.items():
        folder = root / "figures" / f"figure-{number.removeprefix('f')}"
        folder.mkdir(parents=True)
        (folder / "figure.yaml").write_text(text, encoding="utf-8")
    return Workspace(root)


def refusal(number: str, workspace: Workspace) -> str:
    with pytest.raises(HarnessError) as refused:
        load_figure(number, workspace)
    message = str(refused.value)
    assert "\n" not in message
    assert refused.value.exit_code == 2
    return message


@pytest.mark.parametrize("number", figure_numbers(Workspace()))
def test_every_figure_of_the_repository_declares_known_models_and_a_plot(number: str):
    figure = load_figure(number, Workspace())
    assert set(figure.models) <= load_models().models.keys()
    assert figure.smoke.iterations <= figure.iterations
    assert figure.timeout_s >= 900  # the slowest start of a full-size model
    assert (Workspace().figure(number) / "plot.py").is_file()
    assert (Workspace().root / "experiments" / figure.study / "study.py").is_file()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('figure: "2"', "figure: 2"), r"1: field 'figure': Input should be a valid string \(got 2\)"),
        (('figure: "2"', 'figure: "3"'), r" field 'figure' is '3'; it must equal its folder's '2'"),
        (("cold_start", "warm_start"), r"3: field 'study': Input should be 'cold_start' \(got 'warm_start'\)"),
        (("[llama3-3b]", "[]"), r"4: field 'models': .*at least 1 item.* \(got \[\]\)"),
        (("iterations: 5", "iterations: 0"), r"5: field 'iterations': .*greater than or equal to 1 \(got 0\)"),
        (("iterations: 5", "iterations: five"), r"5: field 'iterations': Input should be a valid integer.*"),
        (("smoke: {iterations: 1}", "smoke: {runs: 1}"), r"6: field 'smoke.iterations': Field required \(and 1 more\)"),
        (("slots: [node0]", "slots: []"), r"8: field 'slots': .*"),
        (("timeout_s: 900", "timeout_s: -1"), r"9: field 'timeout_s': .*greater than 0 \(got -1\)"),
        (("timeout_s: 900", "timeout_s: .nan"), r"9: field 'timeout_s': .*"),
        (("timeout_s: 900", "timeout_s: .inf"), r"9: field 'timeout_s': Input should be a finite number \(got inf\)"),
        (("study:", "studdy:"), r"1: field 'study': Field required \(and 1 more\)"),
        (("timeout_s: 900", "timeout_s: 900\ncolour: red"), r"10: field 'colour': Extra inputs .* \(got 'red'\)"),
        (("slots: [node0]", "slots: [node0"), r"9: not valid YAML: .*"),
        (("slots: [node0]", "slots: [node0]\niterations: 7"), r"9: not valid YAML: key 'iterations' is given twice"),
    ],
    ids=lambda value: value[1][:30] if isinstance(value, tuple) else "",
)
def test_a_declaration_that_does_not_fit_is_refused_by_file_line_and_field(
    tmp_path: Path, change: tuple[str, str], expected: str
):
    assert GOOD.count(change[0]) == 1
    workspace = checkout(tmp_path, f2=GOOD.replace(*change))
    message = refusal("2", workspace).removeprefix(f"{tmp_path}/figures/figure-2/figure.yaml:")
    assert re.fullmatch(expected, message), message


def test_an_unknown_figure_is_answered_with_the_valid_ones_and_the_nearest(tmp_path: Path):
    workspace = checkout(tmp_path, f2=GOOD, f10=GOOD, fsharing=GOOD)
    assert refusal("99", workspace) == "unknown figure '99'; valid: 2, 10, sharing"
    assert refusal("shairng", workspace) == "unknown figure 'shairng' (did you mean sharing?); valid: 2, 10, sharing"
    assert refusal("figure-10", workspace).endswith("; valid: 2, 10, sharing")


def test_figures_come_in_reading_order_numbers_first(tmp_path: Path):
    (tmp_path / "figures" / "figure-7").mkdir(parents=True)  # no declaration yet
    workspace = checkout(tmp_path, f10=GOOD, f2=GOOD, fladder=GOOD, f1=GOOD, fanatomy=GOOD)
    assert figure_numbers(workspace) == ["1", "2", "10", "anatomy", "ladder"]


def test_figure_loads_what_its_declaration_says(tmp_path: Path):
    figure = load_figure("2", checkout(tmp_path, f2=GOOD))
    assert (figure.models, figure.iterations, figure.smoke.iterations) == (("llama3-3b",), 5, 1)
    assert (figure.parameters, figure.slots, figure.timeout_s) == ({"max_model_len": 4096}, ("node0",), 900.0)


def test_a_figure_has_one_state_unless_it_declares_one_for_each_slot_or_several(tmp_path: Path):
    several = "states:\n  cold: {storage: ssd}\n  warm: {}\n"
    workspace = checkout(
        tmp_path,
        f2=GOOD,
        f13=GOOD.replace('"2"', '"13"').replace("[node0]", "[case0, case1]") + "slot_states: {case1: {storage: ssd}}\n",
        fladder=GOOD.replace('"2"', '"ladder"') + several,
    )
    ram, ssd = StartState(), StartState(storage="ssd")
    assert load_figure("2", workspace).states_in("node0") == {"": ram}
    storages = load_figure("13", workspace)
    assert [storages.states_in(slot) for slot in storages.slots] == [{"": ram}, {"": ssd}]
    assert storages.states_in("case1", "tmpfs") == {"": StartState(storage="tmpfs")}
    with pytest.raises(HarnessError, match="compares storage levels, and case0 is ram already"):
        storages.states_in("case1", "ram")
    assert load_figure("ladder", workspace).states_in("node0") == {"cold": ssd, "warm": ram}


def test_a_typed_storage_level_would_make_the_compared_states_alike_and_is_refused():
    with pytest.raises(
        HarnessError, match="figure ladder declares where each of its starts reads from; omit --storage"
    ):
        load_figure("ladder", Workspace()).states_in("node0", "tmpfs")


def test_figure_13_compares_weights_in_memory_with_weights_on_the_disk_and_nothing_else():
    figure = load_figure("13", Workspace())
    (warm,), (cold,) = (figure.states_in(slot).values() for slot in figure.slots)
    assert (warm.storage, cold.storage) == ("ram", "ssd")
    assert cold.model_copy(update={"storage": "ram"}) == warm


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("slot_states: {case1: {storage: ssd}}", r"slot_states names 'case1', which is not among this figure's slots"),
        ("states: {a: {storage: nvme}}", r"field 'states.a.storage': .*'nvme' is no storage level; ram, ssd, tmpfs or"),
        ("states: {a: {libraries: evicted}}", r"field 'states.a.libraries': Input should be 'as found', 'warm'"),
        ("states: {a: {compile_cache: full}}", r"field 'states.a.compile_cache': Input should be 'empty', 'warm-up'"),
        ("states: {a: {weights: ram}}", r"field 'states.a.weights': Extra inputs are not permitted"),
    ],
)
def test_a_state_that_cannot_be_is_refused_by_its_field(tmp_path: Path, more: str, expected: str):
    assert re.search(expected, refusal("2", checkout(tmp_path, f2=f"{GOOD}{more}\n")))


@given(name=st.text(max_size=12))
def test_whatever_is_asked_for_is_a_known_figure_or_refused_with_the_list(name: str):
    workspace = Workspace()
    known = figure_numbers(workspace)
    if name in known:
        assert load_figure(name, workspace).figure == name
        return
    with pytest.raises(HarnessError, match=rf"valid: {', '.join(known)}$"):
        load_figure(name, workspace)
