"""Start vLLM on several models from one process, run by the engine's Python: imported once, a forked child per model.

``python fork_starts.py LIMIT_S FOLDER…`` prints one JSON document per folder, in order, as each ends: ``{folder,
started, llm_s, token_ids, head_size, reason}``. A quick verdict whether a model starts; its seconds are no measurement.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
}

from vllm import LLM, SamplingParams


def start(folder: Path) -> dict[str, object]:
    """What a start on ``folder`` gives: an engine in this process, two greedy tokens of a text prompt."""
    begin = time.monotonic()
    try:
        llm = LLM(
            model=str(folder),
            enforce_eager=True,
            max_model_len=512,
            max_num_seqs=4,
            block_size=32,
            distributed_executor_backend="uni",
        )
        llm_s = round(time.monotonic() - begin, 1)
        sampling = SamplingParams(max_tokens=2, temperature=0.0, ignore_eos=True)
        output = llm.generate(["The ice breaks"], sampling, use_tqdm=False)[0].outputs[0]
        size = llm.llm_engine.model_config.get_head_size()
    except BaseException as error:
        traceback.print_exc()
        return {"started": False, "reason": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    return {"started": True, "llm_s": llm_s, "token_ids": list(output.token_ids), "head_size": size, "reason": None}


def forked(folder: Path, limit_s: float) -> dict[str, object]:
    """``start`` in a child of its own, ended after ``limit_s`` seconds; the child's output goes to ``FOLDER.log``."""
    result = folder.with_name(f"{folder.name}.start.json")
    result.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.setsid()
        log = os.open(folder.with_name(f"{folder.name}.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        result.write_text(json.dumps(start(folder)))
        os._exit(0)
    deadline = time.monotonic() + limit_s
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return {"started": False, "reason": f"no result within {limit_s:.0f} s"}
        time.sleep(0.1)
    if not result.exists():
        return {"started": False, "reason": "the process died"}
    return dict(json.loads(result.read_text()))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        print(json.dumps({"folder": name} | forked(Path(name), float(sys.argv[1]))), flush=True)
