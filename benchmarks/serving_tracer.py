"""What tracing a serving engine adds, seen from outside: one server, loads with and without a window in turns.

The tracer counts its own cost (calls × what one was measured to add); here the kernel's CPU seconds of each process are
compared. CPU of the engine core is mostly spin, which depends on the machine's load: its ratio is noisy.

    .venv/bin/python benchmarks/serving_tracer.py [--rounds 6] [--concurrency 32] [--requests 256]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from harness.analyse.stats import interval  # noqa: E402
from harness.commands.anatomy.asked import asked_of  # noqa: E402
from harness.commands.anatomy.command import set_up_on  # noqa: E402
from harness.commands.anatomy.load import level_rows  # noqa: E402
from harness.commands.anatomy.runs import planned, server_of  # noqa: E402
from harness.commands.figure.studies import StudyCall  # noqa: E402
from harness.measure.anatomy_run import Place, send_rows  # noqa: E402
from harness.measure.serving import Served, serving  # noqa: E402
from harness.measure.serving_trace import Sampling, ServingTracers  # noqa: E402
from harness.spec.anatomy import LoadLevel  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

ROLES = ("api", "engine", "worker")


def processes(served: Served) -> dict[str, psutil.Process]:
    """Role → its process."""
    found = (path.stem.split("-") for path in served.traces.glob("*.sock"))
    return {role: psutil.Process(int(pid)) for role, pid in found}


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds so far."""
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Run in rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--requests", type=int, default=256)
    typed = parser.parse_args()
    workspace = Workspace()
    asked = asked_of(StudyCall("anatomy", features="none"), workspace)
    runs = planned(set_up_on(asked, workspace))
    level = LoadLevel(concurrency=typed.concurrency, requests=typed.requests)
    used: dict[tuple[str, bool], list[float]] = {(role, traced): [] for role in ROLES for traced in (False, True)}
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary)
        with serving(server_of(runs, raw / "server.log"), 900, 3600) as served:
            pids = processes(served)
            place = Place(raw, 600.0, asked.figure.timeout_s.level)
            rows = level_rows(level, asked.setting.prompts, 1)
            send_rows(rows, level.concurrency, "warm", served, place)
            with ServingTracers.of(served.traces, dict.fromkeys(pids, 1)) as tracers:
                for number in range(typed.rounds):
                    for traced in (False, True) if number % 2 else (True, False):
                        name = f"r{number}{'traced' if traced else 'plain'}"
                        before = {role: cpu_s(process) for role, process in pids.items()}
                        if traced:
                            sampled = asked.figure.sampled
                            with tracers.window(name, Sampling(sampled.detail_s, sampled.period_s, number)):
                                send_rows(rows, level.concurrency, name, served, place)
                                after = {role: cpu_s(process) for role, process in pids.items()}
                        else:
                            send_rows(rows, level.concurrency, name, served, place)
                            after = {role: cpu_s(process) for role, process in pids.items()}
                        for role in pids:
                            used[role, traced].append(after[role] - before[role])
                    print(f"round {number + 1} of {typed.rounds}", file=sys.stderr, flush=True)
    print(f"{asked.setting.model}, concurrency {typed.concurrency}, {typed.requests} requests a load")
    for role in ROLES:
        with_it, plain = used[role, True], used[role, False]
        ratios = [a / b for a, b in zip(with_it, plain, strict=True)]
        bounds = interval(ratios, "log")
        said = f"95 % [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""
        seconds = f"traced {sum(with_it):7.2f} s  plain {sum(plain):7.2f} s"
        print(f"{role:7s} {seconds}  ratio {sum(with_it) / sum(plain):.3f} {said}")


if __name__ == "__main__":
    main()
