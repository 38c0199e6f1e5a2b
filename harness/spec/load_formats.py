"""The names that vLLM's ``--load-format`` takes."""

# Source: ``LoadFormats`` in vllm/model_executor/model_loader/__init__.py, of vLLM 0.10 and vLLM 0.32.0 together.
LOAD_FORMATS = frozenset(
    {
        "auto",
        "bitsandbytes",
        "dummy",
        "fastsafetensors",
        "gguf",
        "hf",
        "instanttensor",
        "ipc_cache",
        "mistral",
        "modelexpress",
        "npcache",
        "pt",
        "runai_streamer",
        "runai_streamer_sharded",
        "safetensors",
        "sharded_state",
        "tensorizer",
    }
)
