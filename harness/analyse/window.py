"""Which piece of time a run's trace covers: exec→ready, or exec→end for a run that never was ready."""

from dataclasses import dataclass

from harness.analyse.partition import main_process
from harness.analyse.spans import Process
from harness.record.run import Run


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of time in ns on the clock of the spans, and the process that begins it."""

    pid: int
    exec_ns: int
    end_ns: int
    ready: bool  # whether it ends at ready; else at the end of the process tree


def window_of(run: Run, processes: list[Process]) -> Window:
    """The window of ``run``, whose span files are ``processes``.

    A run that does not record it (schema 1, or never ready) begins where its earliest main process says, to the
    kernel's 10 ms; without ready it lasts as long as the process tree did, so that what hung is seen hanging.

    Raises:
        ValueError: no span file of a main process.
    """
    if run.window is not None:
        return Window(run.window["pid"], run.window["exec_ns"], run.window["ready_ns"], ready=True)
    main = main_process(processes, first_pid=-1)
    exec_ns = min(p.exec_ns for p in processes if p.role == "main")
    if run.ready_s is not None:
        return Window(main.pid, exec_ns, exec_ns + round(run.ready_s * 1e9), ready=True)
    end_ns = max(exec_ns + round(run.wall_s * 1e9), *map(last_event_ns, processes))
    return Window(main.pid, exec_ns, end_ns, ready=False)


def last_event_ns(process: Process) -> int:
    """The latest instant of which a process's span file knows."""
    return max((span.end_ns or span.begin_ns for span in process.spans), default=process.traced_ns)
