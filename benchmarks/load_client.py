"""Our load client beside `vllm bench serve`: the same requests, the same server, in turns.

    .venv/bin/python benchmarks/load_client.py [--rounds 5] [--requests 300] [--first-ms 50] [--next-ms 10]

The server (fake_stream_server.py) streams on a schedule, so TTFT and ITL are known: what a client says beyond them is
its own and the machine's lateness. Both send as fast as 40 requests at once allow, both parse every chunk. CPU seconds
are of the whole process, imports included, and, in a second column, of the load alone: by our summary, and for
`vllm bench serve` what a run costs beyond one of a single request. Ratios are ours / theirs of the same round, with a
95 % interval over the rounds.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.analyse.load_metrics import client_metrics  # noqa: E402
from harness.analyse.stats import interval  # noqa: E402
from harness.engine.environment import Engine, engine_of  # noqa: E402
from harness.engine.model_store import ensure_model  # noqa: E402
from harness.record.load_output import read_records, read_summary, summary_path  # noqa: E402
from harness.spec.pin import load_pin  # noqa: E402

PIN, MODEL, CONCURRENCY = "ray-2.60-vllm-0.32.0-cpu", "qwen2.5-0.5b-instruct", 40
ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "TTFT mean ms",
    "TTFT p99 ms",
    "ITL mean ms",
    "requests/s",
    "output tokens/s",
    "CPU s, process",
    "CPU s, load",
)


def write_load(path: Path, requests: int) -> None:
    """Requests with prompts of 150 words and answers of 10 to 200 tokens."""
    chance = random.Random(0)
    rows = [
        {
            "prompt": " ".join(str(chance.randrange(10_000)) for _ in range(150)),
            "output_tokens": chance.randint(10, 200),
        }
        for _ in range(requests)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def cpu_of(command: list[str]) -> float:
    """CPU seconds of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def ours(url: str, data: Path, folder: Path) -> list[float]:
    """Numbers of one run of ours."""
    out = folder / "ours.jsonl"
    for path in (out, summary_path(out)):
        path.unlink(missing_ok=True)
    sending = ("--request-rate", "inf", "--max-concurrency", str(CONCURRENCY))
    command = [sys.executable, "-m", "harness", "load", "--base-url", url, "--data", str(data), *sending]
    cpu_s = cpu_of([*command, "--output-file", str(out)])
    summary = read_summary(summary_path(out))
    found = client_metrics(read_records(out), summary)
    seconds = [1000 * found[name][0] for name in ("ttft_mean_s", "ttft_p99_s", "itl_mean_s")]
    return [*seconds, found["request_throughput"][0], found["output_throughput"][0], cpu_s, summary.cpu_s]


def theirs(url: str, data: Path, folder: Path, engine: Engine, tokenizer: Path, requests: int) -> list[float]:
    """Numbers of one run of theirs; the load's own CPU seconds are not known yet."""
    options = {
        "--backend": "openai",
        "--base-url": url,
        "--endpoint": "/v1/completions",
        "--model": "fake",
        "--tokenizer": tokenizer,
        "--dataset-name": "custom",
        "--dataset-path": data,
        "--custom-output-len": -1,
        "--num-prompts": requests,
        "--request-rate": "inf",
        "--max-concurrency": CONCURRENCY,
        "--percentile-metrics": "ttft,tpot,itl,e2el",
        "--result-dir": folder,
        "--result-filename": "theirs.json",
    }
    flags = ["--skip-chat-template", "--disable-shuffle", "--ignore-eos", "--disable-tqdm", "--save-result"]
    command = [str(engine.python), "-m", "vllm.entrypoints.cli.main", "bench", "serve", *flags]
    cpu_s = cpu_of([*command, *(str(part) for option in options.items() for part in option)])
    found = json.loads((folder / "theirs.json").read_text())
    assert found["completed"] == requests, found["completed"]
    latencies = [found[name] for name in ("mean_ttft_ms", "p99_ttft_ms", "mean_itl_ms")]
    return [*latencies, found["request_throughput"], found["output_throughput"], cpu_s]


def told(values: list[float]) -> str:
    """Every round's value."""
    return "  ".join(f"{value:9.3f}" for value in values)


def main() -> None:
    """Run in rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--first-ms", type=float, default=50)
    parser.add_argument("--next-ms", type=float, default=10)
    typed = parser.parse_args()
    engine = engine_of(load_pin(PIN))
    tokenizer = ensure_model(MODEL, lambda: engine.python, synthetic=True).path
    server = [sys.executable, str(ROOT / "benchmarks" / "fake_stream_server.py")]
    schedule = [str(typed.first_ms), str(typed.next_ms)]
    with (
        tempfile.TemporaryDirectory() as temporary,
        subprocess.Popen([*server, *schedule], stdout=subprocess.PIPE, text=True) as serving,
    ):
        assert serving.stdout is not None
        try:
            folder = Path(temporary)
            url = f"http://127.0.0.1:{serving.stdout.readline().strip()}"
            data = folder / "load.jsonl"
            write_load(data, typed.requests)
            mine, other = [], []
            for number in range(typed.rounds):
                for which in (0, 1) if number % 2 else (1, 0):
                    if which:
                        mine.append(ours(url, data, folder))
                    else:
                        other.append(theirs(url, data, folder, engine, tokenizer, typed.requests))
                        single = theirs(url, data, folder, engine, tokenizer, 1)[-1]
                        other[-1].append(other[-1][-1] - single)
                print(f"round {number + 1} of {typed.rounds}", file=sys.stderr, flush=True)
        finally:
            serving.terminate()
    print(
        f"{typed.requests} requests, {CONCURRENCY} at once; first token after {typed.first_ms:g} ms, then every ",
        end="",
    )
    print(f"{typed.next_ms:g} ms")
    for name, a, b in zip(NAMES, zip(*mine, strict=True), zip(*other, strict=True), strict=True):
        ratios = [x / y for x, y in zip(a, b, strict=True)]
        print(f"{name}\n  ours    {told(list(a))}\n  theirs  {told(list(b))}")
        if min(ratios) > 0 and (bounds := interval(ratios, "log")):
            print(f"  ratio   {told(ratios)}   95 % [{bounds[0]:.3f}, {bounds[1]:.3f}]")
        else:  # a difference that the machine's noise hides
            print(f"  ratio of means {sum(a) / sum(b):.2f}")


if __name__ == "__main__":
    main()
