"""How many bytes the weights of a model have by its published config: the check of ``models.yaml`` against logs."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.engine.study_worker import run_worker
from harness.errors import HarnessError
from harness.spec.models import Model

WORKER = "experiments.cold_start.worker_weight_bytes"
TIME_LIMIT_S = 300.0  # all models together take seconds


class WeightBytes(NamedTuple):
    """Bytes of one model's weights, from the shapes of its full-width architecture."""

    published: int  # the checkpoint; a tied embedding counts once
    loaded: int  # as vLLM 0.10.1.1 holds them on a Hopper GPU: more where a kernel pads quantised weights


def weight_bytes(models: Mapping[str, Model], engine_python: Path) -> dict[str, WeightBytes]:
    """Count the weights of ``models`` in one process under the engine's Python, on the meta device.

    Raises:
        HarnessError: the worker failed; its last line is quoted.
    """
    with tempfile.TemporaryDirectory() as folder:
        request, result = Path(folder) / "request.json", Path(folder) / "result.json"
        configs = {name: model.config.as_dict() for name, model in models.items()}
        request.write_text(json.dumps(configs), encoding="utf-8")
        environment = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            run_worker(engine_python, WORKER, (request, result), environment, "counting weights", TIME_LIMIT_S)
        except OSError as error:
            raise HarnessError(f"counting weights under {engine_python} failed: {error}") from None
        counted = json.loads(result.read_text(encoding="utf-8"))
    return {name: WeightBytes(**counts) for name, counts in counted.items()}
