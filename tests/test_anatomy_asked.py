"""What is typed of the anatomy figure: checked, before anything is installed or started."""

import json
from dataclasses import replace

import pytest

from experiments.engine_anatomy.study import Conditions
from harness.commands.anatomy.asked import asked_of
from harness.commands.anatomy.command import run_anatomy
from harness.commands.figure.studies import StudyCall
from harness.errors import HarnessError
from harness.workspace import Workspace

CALL = StudyCall("anatomy", dry_run=True, engine="vllm-0.32.0-cpu")
ON = Conditions({"pin": "p"}, {"OMP_NUM_THREADS": "1"}, {"name": "m"}, "0")


def test_the_figure_serves_at_one_eight_and_thirty_two_and_tries_every_feature():
    asked = asked_of(CALL, Workspace())
    assert [level.concurrency for level in asked.case.levels] == [1, 8, 32]
    assert asked.setting.repeats == 5
    assert set(asked.features) == set(asked.figure.features.cases)


def test_a_smoke_serves_at_the_same_levels_once_and_tries_a_few_features():
    asked = asked_of(replace(CALL, smoke=True), Workspace())
    assert [level.concurrency for level in asked.case.levels] == [1, 8, 32]
    assert asked.setting.repeats == 1
    assert 0 < len(asked.features) < 8


def test_the_paper_s_gpu_engine_has_serving_hooks_too():
    asked = asked_of(replace(CALL, engine="vllm-0.10.1.1-cuda"), Workspace())
    assert (asked.pin.device, asked.setting.model) == ("cuda", "llama3-8b")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"engine": "vllm-0.31.0-cpu"},
            "has no serving hooks; --engine takes vllm-0.10.1.1-cuda, vllm-0.25.1-cuda, vllm-0.32.0-cpu",
        ),
        ({"engine": "nothing"}, "unknown engine pin 'nothing'"),
        ({"models": ("a", "b")}, "takes one model"),
        ({"models": ("nothing",)}, "nothing"),
        ({"features": "speed"}, "no feature case speed; there is plain"),
        ({"overrides": ("server.nothing=1",)}, "--set server.nothing: no such field; there are"),
        ({"overrides": ("server.enforce_eager=1",)}, "--set server.enforce_eager: .*bool"),
        ({"overrides": ("repeats=0",)}, "--set repeats: "),
        ({"overrides": ("prompts.min_output_tokens=1",)}, "--set prompts.min_output_tokens: "),
        ({"overrides": ("prompts.max_output_tokens=8",)}, "min_output_tokens 32 > max_output_tokens 8"),
        ({"overrides": ("threads",)}, "write it as FIELD=VALUE"),
        (
            {"overrides": ("prompts.words=100000",)},
            r"--set: prompts.words 100000 \+ prompts.max_output_tokens 96 > server.max_model_len 2048: every request",
        ),
        ({"overrides": ("server.max_model_len=100",)}, "prompts.words 60 .* > server.max_model_len 100"),
    ],
)
def test_what_cannot_be_is_one_line(typed: dict[str, object], said: str):
    with pytest.raises(HarnessError, match=said) as refused:
        asked_of(replace(CALL, **typed), Workspace())  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_what_is_set_reaches_the_server_and_makes_a_case_of_its_own():
    plain = asked_of(CALL, Workspace())
    set_ = asked_of(replace(CALL, overrides=("server.enforce_eager=true", "server.max_num_seqs=16")), Workspace())
    command = set_.case.command(Workspace().root / "bin" / "python", Workspace().root / "model", "m", 8000)
    assert "--enforce-eager" in command
    assert command[command.index("--max-num-seqs") + 1] == "16"
    assert plain.case.definition(ON) != set_.case.definition(ON)
    assert plain.case.definition(ON) != plain.case.definition(replace(ON, environment={"OMP_NUM_THREADS": "2"}))


def test_the_callers_threads_are_the_servers_and_every_features_unless_others_are_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    plain = asked_of(CALL, Workspace())
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    more = asked_of(CALL, Workspace())
    assert (plain.setting.threads, more.setting.threads, more.figure.features.threads) == (1, 3, 3)
    assert plain.case.definition(ON) != more.case.definition(ON)
    assert asked_of(replace(CALL, overrides=("threads=2",)), Workspace()).setting.threads == 2


def test_threads_that_are_no_number_are_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "four")
    with pytest.raises(HarnessError, match=r"^OMP_NUM_THREADS=four: a whole number of threads from 1 on, or unset it$"):
        asked_of(CALL, Workspace())


def test_the_number_of_repeats_is_no_part_of_the_case():
    more = asked_of(replace(CALL, iterations=9), Workspace())
    assert more.setting.repeats == 9
    assert more.case.definition(ON) == asked_of(CALL, Workspace()).case.definition(ON)


def test_a_dry_run_tells_minutes_and_writes_nothing(capsys: pytest.CaptureFixture[str]):
    run_anatomy(replace(CALL, as_json=True, features="none"), Workspace())
    (line,) = capsys.readouterr().out.splitlines()
    plan = json.loads(line)
    assert [row["runs"] for row in plan["rows"]] == [5]
    assert plan["minutes"] > 1
