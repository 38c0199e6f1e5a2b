"""A replica of the study: Ray's LLM server, with its own metrics port, its engine's KV events, and a log of requests.

It is told where to write, and which engine to announce, through ``experimental_configs`` (worker_deploy.py).
"""

import os
from pathlib import Path
from typing import Any

from prometheus_client import start_http_server
from ray import serve
from ray.llm._internal.serve.core.configs.llm_config import LLMConfig
from ray.llm._internal.serve.core.server.llm_server import LLMServer

from experiments.prefix_routing.worker_exact import events_endpoint
from experiments.prefix_routing.worker_stats import ServedLog
from harness.record.atomic import write_json


class MeteredServer(LLMServer):
    """Serves as LLMServer does."""

    async def __init__(self, llm_config: LLMConfig, **more: Any) -> None:  # type: ignore[misc]  # as Ray has it
        told = llm_config.experimental_configs
        folder, replica = Path(told["log_folder"]), serve.get_replica_context().replica_id.unique_id
        endpoint = events_endpoint(told["events_folder"], replica)
        events = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": endpoint}
        llm_config.update_engine_kwargs(kv_events_config=events)
        await super().__init__(llm_config, **more)
        if interval := self._get_batch_interval_ms():
            raise RuntimeError(f"tokens would be held back for {interval} ms: TTFT and ITL would be the batching's")
        self.engine._engine_client.logger_manager.stat_loggers.append(ServedLog(folder, replica))
        server, _ = start_http_server(0, addr="127.0.0.1")
        said = {"replica": replica, "pid": os.getpid(), "metrics_url": f"http://127.0.0.1:{server.server_port}/metrics"}
        write_json(folder / f"replica-{replica}.json", said)
