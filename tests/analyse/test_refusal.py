"""Why an engine refused: the cause, out of logs as vLLM 0.32.0 wrote them here (shortened)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.refusal import refusal_reason

WORKER = "(Worker_PP1 pid=11875) ERROR 11-29 23:23:29 [multiproc_executor.py:1063]"
PIPELINE = f"""\
(MainProcess pid=11866) WARNING 11-29 23:23:28 [base.py:380] ValueError: Tokenizer not available
{WORKER}     intermediate_tensors = self.sync_and_gather_intermediate_tensors(
{WORKER}   File "gpu_model_runner.py", line 3174, in sync_and_gather_intermediate_tensors
{WORKER}     assert self.intermediate_tensors is not None
{WORKER}            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
{WORKER} AssertionError
Traceback (most recent call last):
  File "scheduler.py", line 1, in update_from_output
KeyError: '0-8fa01a19'
"""
SYNTHETIC = """\
[rank0]:     assert not SYNTHETIC_MODE, "Synthetic acceptance not supported with CPU sampling"
[rank0]: AssertionError: Synthetic acceptance not supported with CPU sampling
"""
RAY = """\
pydantic_core._pydantic_core.ValidationError: 1 validation error for ParallelConfig
  Value error, Failed to import Ray: No module named 'ray'. [type=value_error, input_value=ArgsKwargs((), {})]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""
WRAPPED = """\
(EngineCore pid=9) ERROR 11-29 23:23:29 [core.py:1] RuntimeError: Engine core initialization failed. See root cause
(Worker pid=10) ERROR 11-29 23:23:28 [multiproc_executor.py:953] ValueError: no room for 3 blocks
Exception: WorkerProc initialization failed due to an exception in a background process.
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (PIPELINE, "AssertionError: assert self.intermediate_tensors is not None"),
        (SYNTHETIC, "AssertionError: Synthetic acceptance not supported with CPU sampling"),
        (RAY, "Failed to import Ray: No module named 'ray'."),
        (WRAPPED, "ValueError: no room for 3 blocks"),
        ("(MainProcess pid=1) INFO 11-29 23:23:29 [a.py:1] fine\n", None),
        ("", None),
    ],
    ids=["pipeline", "synthetic", "ray", "wrapped", "harmless", "empty"],
)
def test_the_reason_is_the_first_cause_in_the_deepest_process(log: str, reason: str | None):
    assert refusal_reason(log) == reason


@given(st.text())
def test_any_text_has_a_reason_or_none(log: str):
    reason = refusal_reason(log)
    assert reason is None or 0 < len(reason) <= 300
