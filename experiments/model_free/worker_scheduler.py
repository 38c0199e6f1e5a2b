"""vLLM's own Scheduler and KVCacheManager, built without a model: no weights, no GPU, no network.

Nothing of vLLM is changed or copied; only the block pool becomes a subclass that reports what happens to blocks
(``worker_pool``), and its queue of free blocks another policy's, if one is asked for (``worker_policies``).

Source: vLLM 0.32.0 ``v1/engine/core.py`` (how the engine core builds its scheduler), ``v1/core/sched/scheduler.py``.
"""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from vllm.config import (
    CacheConfig,
    DeviceConfig,
    KVEventsConfig,
    KVTransferConfig,
    ModelConfig,
    ParallelConfig,
    SchedulerConfig,
    VllmConfig,
)
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import init_none_hash
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec, KVCacheTensor
from vllm.v1.structured_output import StructuredOutputManager

# One layer of full attention: what the scheduler asks of a model is its context length and its KV-cache groups.
_HEAD = 64
_MODEL = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": _HEAD,
    "intermediate_size": _HEAD,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": _HEAD,
    "vocab_size": 32000,
    "torch_dtype": "float32",
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def build_scheduler(
    *,
    num_blocks: int,
    block_size: int,
    max_model_len: int,
    prefix_caching: bool = True,
    max_num_seqs: int = 256,
    max_num_batched_tokens: int = 8192,
    watermark: float = 0.0,
    scheduler_cls: str | None = None,
    headroom: dict[str, Any] | None = None,
    offload: dict[str, Any] | None = None,
    kv_events: bool = False,
) -> Scheduler:
    """A scheduler over ``num_blocks`` blocks (block 0 is vLLM's null block) of ``block_size`` tokens.

    ``scheduler_cls``: ``package.module:Class``, a subclass of vLLM's. ``headroom``: what a scheduler class with a
    head-room policy is told (``worker_headroom_scheduler``). ``offload``: harness/record/offload_spec.py. Async
    scheduling is off, as on the CPU engine.
    """
    init_none_hash(sha256)
    with tempfile.TemporaryDirectory(prefix="model-free-") as folder:
        config = {**_MODEL, "max_position_embeddings": max(max_model_len, 2048)}
        (Path(folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        model = ModelConfig(
            model=folder, skip_tokenizer_init=True, dtype="float32", seed=0, max_model_len=max_model_len
        )
    scheduling = SchedulerConfig(
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        max_model_len=max_model_len,
        enable_chunked_prefill=True,
        is_encoder_decoder=False,
        async_scheduling=False,
        watermark=watermark,
    )
    cache = CacheConfig(block_size=block_size, enable_prefix_caching=prefix_caching)
    events = KVEventsConfig(enable_kv_cache_events=True, publisher="null") if kv_events else None
    spec = FullAttentionSpec(block_size=block_size, num_kv_heads=1, head_size=_HEAD, dtype=torch.float32)
    page = spec.page_size_bytes  # of this model; how long a block takes is another matter
    transfers = None
    if offload is not None:
        host = {"cpu_bytes_to_use": offload["cpu_blocks"] * page, "lazy_offload": offload["lazy"]}
        transfers = KVTransferConfig(
            kv_connector="SimpleCPUOffloadConnector", kv_role="kv_both", kv_connector_extra_config=host
        )
    whole = VllmConfig(
        model_config=model,
        scheduler_config=scheduling,
        cache_config=cache,
        parallel_config=ParallelConfig(),
        device_config=DeviceConfig("cpu"),
        kv_events_config=events,
        kv_transfer_config=transfers,
        additional_config={"headroom": headroom} if headroom else {},
    )
    cache.num_gpu_blocks = num_blocks
    cache.block_size = block_size  # the CPU platform prefers its own
    tensor = KVCacheTensor(num_blocks * page, ["layer"], layer_stride=num_blocks * page, block_stride=page)
    chosen: Any = Scheduler if scheduler_cls is None else _load(scheduler_cls)
    scheduler: Scheduler = chosen(
        vllm_config=whole,
        kv_cache_config=KVCacheConfig(
            num_blocks=num_blocks, kv_cache_tensors=[tensor], kv_cache_groups=[KVCacheGroupSpec(["layer"], spec)]
        ),
        block_size=block_size,
        hash_block_size=block_size,
        structured_output_manager=StructuredOutputManager(whole),
        log_stats=False,
    )
    return scheduler


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
