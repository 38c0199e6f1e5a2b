"""What a start left behind → status and cause, for logs as real engines write them."""

from pathlib import Path

import pytest

from harness.engine.process_tree import Exit
from harness.measure.result import LOG_TAIL_LINES, Outcome, outcome_of
from harness.measure.start import Ready

ERROR = "(EngineCore pid=7) ERROR 11-20 12:00:00.000 [core.py:1200] "
REPORT = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"


READY = Ready(ready_ns=5, first_token_ns=6)


def judge(
    folder: Path, log: str, exit_code: int | None = 1, timed_out: bool = False, ready: Ready | None = None
) -> Outcome:
    """The outcome of a start that ended so, left this log and no spans."""
    (folder / "log").write_text(log)
    (folder / "spans").mkdir(exist_ok=True)
    ended = Exit(pid=1, exec_ns=0, exit_ns=90_000_000_000, exit_code=exit_code, timed_out=timed_out, ended=frozenset())
    return outcome_of(ended, ready, "the sign", folder / "spans", folder / "log")


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (f"ValueError: too long\n{REPORT}", "ValueError: too long"),
        (f"{ERROR}ValueError: too long\n{REPORT}", "ValueError: too long"),
        (f"{ERROR}torch.OutOfMemoryError: 1 GiB: none\n{REPORT}", "torch.OutOfMemoryError: 1 GiB: none"),
        (REPORT, REPORT),
        ("KeyError: 'a'\nDuring handling …\nValueError: no a", "ValueError: no a"),
        ("WARNING 11-20 12:00:00.000 [a.py:1] ImportError: optional\nOSError: disk\n", "OSError: disk"),
        ("(APIServer pid=7) INFO 11-20 12:00:00.000 [a.py:1] ImportError: optional\n", "exit code 1"),
        ("OSError: [Errno 98] Address already in use\n", "OSError: [Errno 98] Address already in use"),
        (f"(APIServer pid=7) OSError: [Errno 98] in use\n(APIServer pid=7) {REPORT}", "OSError: [Errno 98] in use"),
        ("this Error: is prose\n", "exit code 1"),
        ("ValueError\n", "exit code 1"),
        ('  File "a.py", line 1, in load\n    bytes(n)\nMemoryError\n', "MemoryError"),
        ("ValueError: too long\nRuntimeError: EngineCore encountered an issue. See …", "ValueError: too long"),
        ("", "exit code 1"),
        ("ValueError: " + "x" * 1000, "ValueError: " + "x" * 488),
    ],
)
def test_the_cause_is_the_last_exception_that_is_not_a_report_of_another(tmp_path: Path, log: str, cause: str) -> None:
    outcome = judge(tmp_path, log)
    assert (outcome.status, outcome.reason) == ("failed", cause)


@pytest.mark.parametrize(
    ("exit_code", "timed_out", "ready", "status", "reason"),
    [
        (None, True, None, "timeout", "waited 90 s for the sign, in vain; the process tree was ended"),
        (-11, False, READY, "killed", "ended by signal 11"),
        (1, False, READY, "failed", "exit code 1"),
        (0, False, None, "failed", "ended (exit code 0) without a sign of the sign"),
        (0, False, Ready(5, problem="no token"), "failed", "no token"),
        (None, False, Ready(5, problem="no token"), "failed", "no token"),
    ],
)
def test_how_it_ended_comes_before_what_it_said(
    tmp_path: Path, exit_code: int | None, timed_out: bool, ready: Ready | None, status: str, reason: str
) -> None:
    outcome = judge(tmp_path, "", exit_code, timed_out, ready)
    assert (outcome.status, outcome.reason) == (status, reason)
    assert (outcome.ready_s, outcome.first_token_s, outcome.phases) == (None, None, {})


def test_spans_that_cannot_be_read_make_no_times(tmp_path: Path) -> None:
    (tmp_path / "spans").mkdir()
    (tmp_path / "spans" / "main-1.jsonl").write_text("half a hea")
    outcome = judge(tmp_path, "", 0, ready=READY)
    assert (outcome.status, outcome.ready_s) == ("failed", None)
    assert "main-1.jsonl" in str(outcome.reason)


def test_the_tail_of_a_long_log_is_kept_and_bytes_that_are_no_text_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "spans").mkdir()
    (tmp_path / "log").write_bytes(b"\xff\xfe\n" + b"".join(b"line %d\n" % n for n in range(1000)))
    ended = Exit(pid=1, exec_ns=0, exit_ns=1, exit_code=1, timed_out=False, ended=frozenset())
    outcome = outcome_of(ended, None, "the sign", tmp_path / "spans", tmp_path / "log")
    assert outcome.log_tail == [f"line {n}" for n in range(1000 - LOG_TAIL_LINES, 1000)]
