"""What a call asks for, said before anything is installed: points, slots, and what this engine cannot show."""

from dataclasses import replace

import pytest

from harness.commands.figure.cases import Asked, asked_figures
from harness.errors import HarnessError
from harness.measure.case import Options, declared_definition
from harness.spec.figure import Figure, figure_numbers, load_figure
from harness.spec.pin import load_pin
from harness.spec.state import StartState
from harness.workspace import Workspace
from tests.nvml import Nvml, gpu

CPU = "vllm-0.32.0-cpu"
HERE = Workspace()


def asked(name: str, slot: int | None = None, options: Options | None = None) -> list[Asked]:
    return asked_figures(name, slot, options or Options(), CPU, HERE)


@pytest.mark.parametrize("number", ["2", "3", "4", "5", "7", "11", "12", "17"])
def test_what_the_cpu_engine_has_is_a_point_for_each_declared_model(number: str):
    (figure,) = asked(number)
    assert [point.model for point in figure.points] == list(load_figure(number, HERE).models)
    assert {point.setting.parameters["max_model_len"] for point in figure.points} == {2048}
    assert {point.setting.state for point in figure.points} == {StartState()}
    assert figure.notes == ()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("6", "has no graph_compile_cached (stock Inductor"),
        ("8", "has no graph_capturing (there are no CUDA graphs"),
        ("9", "has no graph_capturing"),
        ("10", "compares two GPUs"),
        ("15", "has no graph_compile_general_shape"),
    ],
)
def test_what_the_cpu_engine_lacks_is_one_line_and_no_start(number: str, why: str):
    (figure,) = asked(number)
    assert figure.points == ()
    (note,) = figure.notes
    assert why in note
    assert note.endswith("only the paper's data is drawn")


def test_load_formats_that_the_engine_lacks_are_named_and_left_out():
    (figure,) = asked("14")
    found = {(point.setting.parameters["load_format"], point.setting.state.storage) for point in figure.points}
    assert found == {("safetensors", "ram"), ("runai_streamer", "ssd")}
    lacking = [note for note in figure.notes if " lacks " in note]
    assert [note.partition(" lacks ")[2].partition(" ")[0] for note in lacking] == [
        "load_format=tensorizer",
        "load_format=fastsafetensors",
    ]
    (direct,) = set(figure.notes).difference(lacking)
    assert direct == "figure 14: runai_streamer reads with O_DIRECT, past the page cache: it starts from the disk"


def test_the_two_slots_of_figure_13_are_two_storage_levels_and_nothing_else_differs():
    (ram,), (ssd,) = asked("13", 0), asked("13", 1)
    assert {point.setting.state for point in ram.points} == {StartState()}
    assert {point.setting.state for point in ssd.points} == {StartState(storage="ssd")}
    assert [replace(point.setting, state=StartState()) for point in ssd.points] == [p.setting for p in ram.points]


def test_a_typed_storage_level_replaces_the_declared_one_in_every_figure():
    (figure,) = asked("2", options=Options(storage="tmpfs"))
    assert {point.setting.state for point in figure.points} == {StartState(storage="tmpfs")}
    (formats,) = asked("14", options=Options(storage="tmpfs"))
    assert {point.setting.parameters["load_format"] for point in formats.points} == {"safetensors"}
    assert "figure 14: runai_streamer reads with O_DIRECT, which tmpfs does not have" in formats.notes


@pytest.mark.parametrize(("name", "slot", "options"), [("2", None, Options()), ("13", 0, Options(storage="tmpfs"))])
def test_dropping_caches_is_refused_where_every_start_finds_its_files_in_memory(
    name: str, slot: int | None, options: Options
):
    with pytest.raises(HarnessError, match="nothing would be dropped; add --storage ssd"):
        asked(name, slot, replace(options, drop_caches=True))


def test_dropping_caches_is_part_of_those_cases_alone_that_begin_with_cold_files():
    (ladder,) = asked("ladder", options=Options(drop_caches=True))
    figure, settings = ladder.figure, [point.setting for point in ladder.points]
    drops = {
        each.state_name: "drop_caches" in declared_definition(figure, load_pin(CPU), "x", each) for each in settings
    }
    assert drops == {each.state_name: each.drops for each in settings}
    assert [name for name, dropped in drops.items() if not dropped] == ["everything"]
    (formats,) = asked("14", options=Options(drop_caches=True))  # one of its two reads from the disk
    assert {point.setting.parameters["load_format"]: point.setting.drops for point in formats.points} == {
        "safetensors": False,
        "runai_streamer": True,
    }


def test_figures_10_11_and_13_share_their_starts_from_memory():
    starts = [asked(number, 0)[0].points for number in ("11", "13")]
    assert [(p.model, p.setting) for p in starts[0]] == [(p.model, p.setting) for p in starts[1]]


@pytest.mark.parametrize("number", ["6", "8", "9", "15"])
@pytest.mark.parametrize("pin", ["vllm-0.10.1.1-cuda", "vllm-0.25.1-cuda"])
def test_both_cuda_pins_have_what_needs_a_gpu(number: str, pin: str, nvml: Nvml):
    nvml.add(gpu(0))
    (figure,) = asked_figures(number, None, Options(), pin, HERE)
    declared = load_figure(number, HERE)
    assert [point.model for point in figure.points] == [
        model for model in declared.models for _ in declared.case_parameters(model, "cuda")
    ]
    assert figure.notes == ()


def test_a_varied_argument_makes_a_point_for_each_value():
    figure = load_figure("9", HERE)
    assert [parameters["cuda_graph_sizes"] for parameters in figure.case_parameters("llama2-7b-hf", "cuda")] == [
        [1], [56], [136], [216], [296], [376], [456]
    ]  # fmt: skip


def test_a_smoke_takes_few_values_of_what_is_varied_where_it_names_them():
    figure = load_figure("9", HERE)
    few = [parameters["cuda_graph_sizes"] for parameters in figure.case_parameters("llama2-7b-hf", "cuda", smoke=True)]
    assert few == [[1], [216], [456]]
    other = {**figure.model_dump(), "smoke": {"iterations": 1, "vary": {"cuda_graph_sizes": [[2]]}}}
    with pytest.raises(ValueError, match=r"smoke.vary has cuda_graph_sizes = \[2\], which vary does not"):
        Figure.model_validate(other)


def test_smoke_takes_few_models_and_models_that_were_typed_win():
    (few,) = asked("3", options=Options(smoke=True))
    assert len(few.points) == 3
    (typed,) = asked("3", options=Options(smoke=True, models=("gemma-7b",)))
    assert [point.model for point in typed.points] == ["gemma-7b"]


def test_the_slot_is_the_first_or_the_one_that_was_typed():
    assert (asked("11")[0].slot, asked("11", 1)[0].slot) == ("cpu0", "cpu1")
    with pytest.raises(HarnessError, match=r"figure 11 has no slot 2; it has 0 \(cpu0\), 1 \(cpu1\)"):
        asked("11", 2)


def test_every_figure_s_smoke_is_among_its_models():
    for number in figure_numbers(HERE):
        figure = load_figure(number, HERE)
        assert set(Options(smoke=True).models_of(figure)) <= set(figure.models)


def test_an_unknown_model_is_refused_before_anything_else():
    with pytest.raises(HarnessError, match="unknown model 'llama9'"):
        asked("3", options=Options(models=("llama9",)))


def test_the_ladder_s_smoke_measures_three_of_its_states_and_a_whole_one_all():
    (smoke,), (whole,) = (asked("ladder", options=Options(smoke=each)) for each in (True, False))
    assert [point.setting.state_name for point in smoke.points] == ["nothing", "compile_cache", "everything"]
    assert [point.setting.state_name for point in whole.points] == list(load_figure("ladder", HERE).states)
    assert [point.setting.state.needs_warm_up for point in smoke.points] == [False, True, True]
