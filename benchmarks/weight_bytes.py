"""Weights by the published shapes against what the paper's logs say was loaded: no weights, no engine start.

    .venv/bin/python benchmarks/weight_bytes.py

A line per model of ``models.yaml``: bytes of the checkpoint, GiB of its weights as vLLM 0.10.1.1 holds them, logged
GiB, and how much more that is. The same numbers are asserted by ``tests/engine/test_model_bytes.py``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from harness.engine.environment import engine_of  # noqa: E402
from harness.engine.model_bytes import weight_bytes  # noqa: E402
from harness.spec.models import load_models  # noqa: E402
from harness.spec.pin import DEFAULT_CPU_PIN, load_pin  # noqa: E402


def main() -> None:
    """Print the table."""
    models = load_models().models
    table = Table("model", "checkpoint bytes", "weights GiB", "logged GiB", "logged more, %", box=None)
    for name, counted in weight_bytes(models, engine_of(load_pin(DEFAULT_CPU_PIN)).python).items():
        logged = models[name].loaded_gib
        more = "" if logged is None else f"{100 * (logged * 2**30 / counted.loaded - 1):.2f}"
        row = (
            f"{counted.published:,}",
            f"{counted.loaded / 2**30:.4f}",
            "" if logged is None else f"{logged:.4f}",
            more,
        )
        table.add_row(name, *row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
