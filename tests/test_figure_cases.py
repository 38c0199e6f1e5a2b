"""What a call asks for, said before anything is installed: points, slots, and what this engine cannot show."""

import pytest

from harness.errors import HarnessError
from harness.figure_cases import Asked, asked_figures
from harness.measure.case import Options
from harness.spec.figure import figure_numbers, load_figure
from harness.workspace import Workspace

CPU = "vllm-0.32.0-cpu"
HERE = Workspace()


def asked(name: str, slot: int | None = None, options: Options | None = None) -> list[Asked]:
    return asked_figures(name, slot, options or Options(), CPU, HERE)


@pytest.mark.parametrize("number", ["2", "3", "4", "5", "7", "11", "12", "17"])
def test_what_the_cpu_engine_has_is_a_point_for_each_declared_model(number: str):
    (figure,) = asked(number)
    assert [point.model for point in figure.points] == list(load_figure(number, HERE).models)
    assert {point.parameters["max_model_len"] for point in figure.points} == {2048}
    assert figure.notes == ()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("6", "has no graph_compile_cached (stock Inductor"),
        ("8", "has no graph_capturing (there are no CUDA graphs"),
        ("9", "has no graph_capturing"),
        ("10", "compares two GPUs"),
        ("13", "needs control over the page cache"),
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
    assert {point.parameters["load_format"] for point in figure.points} == {"safetensors"}
    assert [note.partition(" lacks ")[2].partition(" ")[0] for note in figure.notes] == [
        "load_format=tensorizer",
        "load_format=runai_streamer",
    ]


def test_a_varied_argument_makes_a_point_for_each_value():
    figure = load_figure("9", HERE)
    assert [parameters["cuda_graph_sizes"] for parameters in figure.case_parameters("llama2-7b-hf", "cuda")] == [
        [1], [56], [136], [216], [296], [376], [456]
    ]  # fmt: skip


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
