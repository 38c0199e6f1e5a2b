"""What tracing costs: per event, per start as the tracer counts it, and end to end in interleaved pairs.

    .venv/bin/python benchmarks/tracer_overhead.py [--pairs 8] [--compiled] [--engine PIN]

Needs the engine (default: the CPU pin) and the caches of a finished figure-2 session (bash run_figure.sh 2, with
--eager unless --compiled). Prints a table; the last line of stdout is one JSON document. Run it on a machine that does
nothing else.

1. Per event, in the engine's Python: a hooked call of a function that does nothing, one that is added up (without and
   with bytes read), an import, a call of a function whose hook was taken out again.
2. Per start: ``tracer.self_s`` of each traced run (time inside the tracer, measured by itself, all processes).
3. End to end: starts with and without tracing, alternating; the difference of each pair.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.analyse.stats import summarise  # noqa: E402
from harness.engine.environment import Engine, engine_of  # noqa: E402
from harness.engine.model_store import ensure_model  # noqa: E402
from harness.engine.process_tree import process_tree  # noqa: E402
from harness.measure.case import Setting, make_case  # noqa: E402
from harness.measure.one_run import Case, engine_environment  # noqa: E402
from harness.measure.result import outcome_of  # noqa: E402
from harness.spec.figure import load_figure  # noqa: E402
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin  # noqa: E402
from harness.state.sandbox import Sandbox  # noqa: E402
from harness.workspace import Workspace  # noqa: E402

MICRO = """
import json, os, sys, tempfile, time, types
os.environ["COLDSTART_TRACE_DIR"] = tempfile.mkdtemp()
import coldstart_tracer
from coldstart_tracer import _disarm, _hooks
from coldstart_tracer._spans import tracer
from coldstart_tracer._many import Window
module = types.ModuleType("bench_target")
exec("def f(): pass\\ndef g(): pass\\ndef h(): pass", module.__dict__)
sys.modules["bench_target"] = module
_hooks._pending["bench_target"] = [{"module": "bench_target", "name": "f", "kind": "work", "phase": "config"}]
plain = module.f; _hooks.hook_module("bench_target"); hooked = module.f
folder = tempfile.mkdtemp(); sys.path.insert(0, folder)
for n in range(600): open(f"{folder}/bench_m{n}.py", "w").close()
def per_call(function, n=20000):
    begin = time.perf_counter_ns()
    for _ in range(n): function()
    return (time.perf_counter_ns() - begin) / n
def imports(first, last):
    begin = time.perf_counter_ns()
    for n in range(first, last): __import__(f"bench_m{n}")
    return (time.perf_counter_ns() - begin) / (last - first)
__import__("bench_m599")
before, events = tracer.self_ns, tracer.events
span = per_call(hooked) - per_call(plain)
counted = (tracer.self_ns - before) / 20000
window = Window()
for name, io in (("g", False), ("h", True)):
    window.hooks.append({"module": "bench_target", "name": name, "kind": "work", "many": True, "part": name, "io": io})
around = tracer.begin("around", "work", {})
opened = window.open(); before = tracer.self_ns
added, added_io = (per_call(lambda: module.g()) - per_call(lambda: plain()), per_call(lambda: module.h()))
added_counted = (tracer.self_ns - before) / 40000
window.close(opened); tracer.end(around, time.monotonic_ns())
traced = imports(0, 250)
_disarm.disarm()
disarmed = per_call(hooked) - per_call(plain)
untraced = imports(250, 500)
print(json.dumps({"hooked_call_ns": span, "of_it_counted_by_tracer_ns": counted, "traced_import_ns": traced - untraced,
                  "added_up_call_ns": added, "added_up_call_with_io_ns": added_io,
                  "of_these_two_counted_by_tracer_ns": added_counted, "disarmed_call_ns": disarmed}))
"""


def micro(engine: Engine, rounds: int = 5) -> dict[str, float]:
    """Median over rounds of the cost of one event of each kind, ns."""
    results = []
    for _ in range(rounds):
        out = subprocess.run([str(engine.python), "-c", MICRO], capture_output=True, text=True, check=True).stdout
        results.append(json.loads(out.splitlines()[-1]))
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def start(case: Case, sandbox: Sandbox, traced: bool) -> tuple[float, dict[str, float]]:
    """One start: seconds from exec to ready, and what the tracer counted (empty without it)."""
    with tempfile.TemporaryDirectory(prefix="coldstart-") as scratch:
        folder = Path(scratch)
        spans, log = folder / "spans", folder / "engine.log"
        spans.mkdir()
        sandbox.fill(case.state)
        environment = engine_environment(case, sandbox, spans, folder)
        if not traced:
            del environment["COLDSTART_TRACE_DIR"]
        with process_tree(case.start.command(folder), environment, log, folder, case.timeout_s) as tree:
            ready = case.start.follow(tree, folder, spans)
        if ready is None or tree.exit is None:
            sys.exit(f"a start failed: {log.read_text(errors='replace')[-2000:]}")
        ready_s = (ready.ready_ns - tree.exec_ns) / 1e9
        tracer = outcome_of(tree.exit, ready, case.start.awaited, spans, log).tracer if traced else {}
    return ready_s, tracer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What tracing costs.")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--engine", default=DEFAULT_CPU_PIN, metavar="PIN", help="of which pin")
    parser.add_argument("--compiled", action="store_true", help="compiled starts instead of eager ones")
    options = parser.parse_args()
    workspace = Workspace()
    engine = engine_of(load_pin(options.engine), workspace)
    model = ensure_model("llama3-3b", lambda: engine.python, workspace.models)
    figure = load_figure("2", workspace)
    parameters = figure.case_parameters("llama3-3b", engine.pin.device)[0]
    setting = Setting(parameters, figure.state, eager=not options.compiled)
    case = make_case(figure, model, engine, setting, model.path)
    sandbox = Sandbox.of(workspace.caches, case.name, "s1")
    if not sandbox.is_filled(case.state, {}):
        sys.exit(f"no caches of {case.name} yet: bash run_figure.sh 2{'' if options.compiled else ' --eager'}")
    events = micro(engine)
    for name, ns in events.items():
        print(f"{name:30} {ns / 1000:8.2f} µs")
    pairs = []
    for number in range(options.pairs):
        order = (True, False) if number % 2 == 0 else (False, True)
        seconds: dict[bool, float] = {}
        for traced in order:
            seconds[traced], report = start(case, sandbox, traced)
            if traced:
                counted = report["self_s"]
        pairs.append({"traced_s": seconds[True], "untraced_s": seconds[False], "self_s": counted})
        print(
            f"pair {number + 1}: untraced {seconds[False]:.3f} s, traced {seconds[True]:.3f} s, "
            f"difference {seconds[True] - seconds[False]:+.3f} s, counted by the tracer {counted:.3f} s "
            f"({100 * counted / seconds[True]:.2f} %)",
            flush=True,
        )
    difference = summarise(pair["traced_s"] - pair["untraced_s"] for pair in pairs)
    share = summarise(100 * pair["self_s"] / pair["traced_s"] for pair in pairs)
    assert difference is not None
    assert share is not None
    half = "" if difference.half_width is None else f" ± {difference.half_width:.3f} (95 %)"
    print(f"difference, mean of {difference.n} pairs: {difference.mean:+.3f} s{half}")
    print(f"counted by the tracer: {share.mean:.2f} % of exec→ready")
    print(
        json.dumps(
            {
                "date": time.strftime("%Y-%m-%d"),
                "case": case.name,
                "cpus": len(os.sched_getaffinity(0)),
                "events_ns": events,
                "pairs": pairs,
                "difference_s": [difference.mean, difference.half_width],
                "self_percent": share.mean,
            }
        )
    )


if __name__ == "__main__":
    main()
