"""llama.cpp's HTTP server on one GGUF file, until it is ended.

Runs under llama.cpp's Python: ``python -m experiments.engine_anatomy.worker_llama_server REQUEST.json`` in the
repository's root. Reads ``{gguf, name, port, threads, slots, context}``: ``slots`` requests at once, ``context`` tokens
for each. Key-value cache in float32 and no flash attention: else its greedy text is not that of the same weights in
float32 elsewhere (with the defaults 15 of 20 answers were).
"""

import json
import sys
import time
from pathlib import Path

import xllamacpp


def main(request_path: str) -> None:
    """Serve until a signal ends this process."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    parameters = xllamacpp.CommonParams()
    parameters.model.path = request["gguf"]
    parameters.model_alias = {request["name"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = request["port"]
    parameters.n_parallel = request["slots"]
    parameters.n_ctx = request["slots"] * request["context"]
    parameters.cpuparams.n_threads = request["threads"]
    parameters.cpuparams_batch.n_threads = request["threads"]
    parameters.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(parameters)
    print(f"serving at {server.listening_address}", flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1])
