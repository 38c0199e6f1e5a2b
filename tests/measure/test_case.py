"""A case's identity: everything that defines a start is in its name's hash, and nothing else is."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engine.environment import Engine
from harness.engine.model_store import ModelFiles
from harness.measure.case import Options, Setting, declared_definition, declared_environment, make_case
from harness.measure.one_run import Case
from harness.measure.start import OfflineStart, StudyServer
from harness.spec.figure import Figure, Mode
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin, release_names
from harness.spec.state import StartState

PIN = load_pin(DEFAULT_CPU_PIN)
MODEL = ModelFiles(Path("models/tiny-twin"), "tiny", twin=True, revision=None, files_sha256="a" * 64)
FIGURE = Figure.model_validate(
    {
        "figure": "2",
        "question": "How long?",
        "study": "cold_start",
        "models": ["tiny"],
        "iterations": 5,
        "smoke": {"iterations": 1},
        "parameters": {"max_model_len": 64},
        "slots": ["node0"],
        "timeout_s": 9,
    }
)


def case(
    figure: dict[str, Any] | None = None, model: dict[str, Any] | None = None, pin: dict[str, Any] | None = None,
    eager: bool = False, mode: Mode = "offline", folder: str = "engines/x",
) -> Case:  # fmt: skip
    """The figure's case with changes to what it is made of."""
    engine = Engine(PIN.model_copy(update=pin or {}), Path(folder))
    declared = FIGURE.model_copy(update=figure or {})
    files = replace(MODEL, **(model or {}))
    setting = Setting(declared.case_parameters("tiny", "cpu")[0], declared.state, eager=eager, mode=mode)
    return make_case(declared, files, engine, setting, files.path)


def test_the_name_says_model_engine_and_mode() -> None:
    assert case().name.rpartition("-")[0] == f"tiny-twin_{DEFAULT_CPU_PIN}_compiled"
    assert case(eager=True).name.rpartition("-")[0] == f"tiny-twin_{DEFAULT_CPU_PIN}_eager"
    assert len(case().name.rpartition("-")[2]) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"figure": {"parameters": {"max_model_len": 65}}},
        {"model": {"files_sha256": "b" * 64}},
        {"model": {"twin": False}},
        {"pin": {"environment": {**PIN.environment, "VLLM_USE_AOT_COMPILE": "1"}}},
        {"pin": {"torch": "torch==0.0.1"}},
        {"pin": {"vllm_version": "9.9"}},
        {"figure": {"environment": {"TORCH_COMPILE_DISABLE": "1"}}},
        {"figure": {"samples": ("cores",)}},
        {"figure": {"vary": {"load_format": ("dummy",)}}},
        {"figure": {"state": StartState(storage="ssd")}},
        {"figure": {"state": StartState(libraries="cold")}},
        {"figure": {"state": StartState(compile_cache="empty")}},
        {"figure": {"state": StartState(model_info="empty")}},
        {"eager": True},
        {"mode": "serve"},
    ],
)
def test_whatever_changes_a_start_makes_another_case(change: dict[str, Any]) -> None:
    assert case(**change).name.rpartition("-")[2] != case().name.rpartition("-")[2]


def test_the_callers_thread_count_makes_another_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    plain = case().name
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert case().name != plain


def test_which_gpu_is_visible_reaches_the_engine_and_is_the_node_s_identity_not_the_case_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    plain = case().name
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert case().name == plain
    assert case().environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_variable_that_the_pin_sets_is_declared_as_the_engine_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    pin = PIN
    assert declared_environment(pin)["OMP_NUM_THREADS"] == "1"
    fixed = pin.model_copy(update={"environment": {"OMP_NUM_THREADS": "4"}})
    assert declared_environment(fixed)["OMP_NUM_THREADS"] == "4"


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"path": Path("/elsewhere/tiny-twin")}},
        {"folder": "/elsewhere/engines/x"},
        {},
    ],
)
def test_what_does_not_change_a_start_shares_its_runs(change: dict[str, Any]) -> None:
    assert case(**change).name == case().name


def test_a_case_carries_what_a_run_needs() -> None:
    made = case(eager=True)
    python = Path("engines/x/bin/python")
    assert made.start == OfflineStart(python, MODEL.path, {"max_model_len": 64}, eager=True)
    assert made.timeout_s == 9
    assert made.engine_facts["lock_sha256"] == PIN.lock_sha256
    assert len(made.engine_facts["patches_sha256"]) == 64


@pytest.mark.parametrize(
    ("options", "iterations"),
    [
        (Options(), 5),
        (Options(smoke=True), 1),
        (Options(iterations=3), 3),
        (Options(smoke=True, iterations=3), 3),
    ],
)
def test_what_was_typed_beats_smoke_which_beats_the_figure(options: Options, iterations: int) -> None:
    assert options.iterations_of(FIGURE) == iterations


def test_a_varied_argument_stands_in_name_label_and_parameters() -> None:
    varied = case(figure={"vary": {"cuda_graph_sizes": ([1, 8], 56)}})
    assert varied.name.startswith(f"tiny-twin_{DEFAULT_CPU_PIN}_compiled_cuda-graph-sizes-1-8-")
    assert varied.label == "tiny-twin cuda_graph_sizes=[1, 8]"
    assert varied.definition["parameters"] == {"max_model_len": 64, "cuda_graph_sizes": [1, 8]}


def test_the_figures_variables_reach_the_engine_and_the_record() -> None:
    disabled = case(figure={"environment": {"TORCH_COMPILE_DISABLE": "1"}})
    assert disabled.environment["TORCH_COMPILE_DISABLE"] == disabled.declared["TORCH_COMPILE_DISABLE"] == "1"


def test_what_is_known_before_the_engine_is_there_is_part_of_the_definition() -> None:
    known = declared_definition(FIGURE, PIN, "tiny", Setting({"max_model_len": 64}, FIGURE.state))
    whole = case().definition
    assert all(whole[name] == value for name, value in known.items() if name != "engine")
    assert known["engine"].items() <= whole["engine"].items()


def test_the_gpus_of_a_start_that_uses_some_are_sampled_and_that_defines_it() -> None:
    assert (case().samples, case().definition.get("samples")) == ((), None)
    on_gpu = case(pin={"device": "cuda"})
    assert (on_gpu.samples, on_gpu.definition["samples"]) == (("gpu",), ["gpu"])
    assert case({"samples": ("cores",)}, pin={"device": "cuda"}).samples == ("cores", "gpu")
    assert (case().around.gpus, on_gpu.around.gpus) == (0, 1)


def test_a_start_takes_as_many_gpus_as_its_parameters_say() -> None:
    split = {"parameters": {"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "max_model_len": 64}}
    assert case(split, pin={"device": "cuda"}).around.gpus == 4
    assert case(split).around.gpus == 0


def test_a_release_on_a_gpu_is_not_sampled_because_it_has_no_timeline(tmp_path: Path) -> None:
    release = load_pin(next(name for name in release_names() if load_pin(name).device == "cuda"))
    assert not release.traced
    setting = Setting(FIGURE.case_parameters("tiny", "cuda")[0], FIGURE.state)
    made = make_case(FIGURE, MODEL, Engine(release, tmp_path), setting, MODEL.path)
    assert (made.samples, made.definition.get("samples"), made.around.gpus) == ((), None, 1)


def test_an_engine_is_asked_in_its_own_words_and_the_record_keeps_the_figure_s(tmp_path: Path) -> None:
    parameters = {"max_model_len": 64, "cuda_graph_sizes": [8]}
    theirs = {"max_model_len": 64, "cudagraph_capture_sizes": [1, 2, 4, 8]}
    spells = {"pin": {"spells": {"cuda_graph_sizes": "cudagraph_capture_sizes"}}}
    asked = case(figure={"parameters": parameters}, **spells)
    assert isinstance(asked.start, OfflineStart)
    assert asked.start.parameters == theirs
    assert (asked.definition["parameters"], asked.definition["spelt"]) == (parameters, theirs)
    assert case(figure={"parameters": {"max_model_len": 64}}, **spells).name == case().name  # nothing to be spelt
    served = case(figure={"parameters": parameters}, mode="serve", **spells)
    assert isinstance(served.start, StudyServer)
    words = served.start.command(tmp_path)
    assert words[words.index("--cudagraph-capture-sizes") :][1:5] == ["1", "2", "4", "8"]


def test_a_server_s_port_is_one_at_which_nothing_listens_when_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = case(mode="serve").start
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    free = iter([4001, 4002])  # since the case was made something may have begun to listen at the first
    monkeypatch.setattr("harness.measure.start.free_port", lambda: next(free))
    for scratch, port in (("a", "4001"), ("b", "4002")):
        start.check()
        words = start.command(tmp_path / scratch)
        assert words[words.index("--port") + 1] == port
        assert (tmp_path / scratch / "port").read_text() == port


def test_a_hook_that_bears_no_phase_is_known_to_the_case() -> None:
    assert "EngineCore.__init__" in case().untimed_hooks
    assert not case().untimed_hooks & {"BaseModelLoader.load_model_weights", "Worker.init_device"}


def installed(folder: Path, **stamp: Any) -> str:
    """An environment that has nothing but a stamp."""
    folder.mkdir()
    said = {"lock_sha256": PIN.lock_sha256, "python": "3.11"} | stamp
    (folder / "engine.json").write_text(json.dumps(said))
    return str(folder)


def test_packages_of_another_python_are_part_of_a_case_and_where_wheels_came_from_is_not(tmp_path: Path) -> None:
    plain = case(folder=installed(tmp_path / "plain"))
    from_wheels = case(folder=installed(tmp_path / "wheels", wheelhouse=True))
    assert from_wheels.name == plain.name
    assert "reused" not in plain.engine_facts
    reusing = case(folder=installed(tmp_path / "reusing", wheelhouse=True, reused={"torch": "2.11.0+cu130"}))
    assert reusing.engine_facts["reused"] == {"torch": "2.11.0+cu130"}
    assert reusing.name != plain.name
    assert case(folder=installed(tmp_path / "newer", python="3.12")).engine_facts["python"] == "3.12"
