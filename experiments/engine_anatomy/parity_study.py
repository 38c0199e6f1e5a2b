"""What defines a comparison of vLLM with transformers: two with equal definitions give the same."""

from dataclasses import asdict, dataclass
from typing import Any

from experiments.model_free.sources import sources_sha256
from harness.record.anatomy_tables import STUDY

EXACT = {"float32": "float64", "bfloat16": "float32", "float16": "float32"}  # dtype → what it is judged by
BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
LISTED = 5  # log-probabilities of each token


@dataclass(frozen=True)
class Planted:
    """One weight matrix of vLLM's copy is scaled."""

    tensor: str
    factor: float


@dataclass(frozen=True)
class ParityParameters:
    """What is compared. ``tokens``: of an answer at most; ``seed``: of the puzzles."""

    dtype: str
    prompts: int
    tokens: int
    seed: int = 0
    plant: Planted | None = None

    @property
    def exact(self) -> str:
        """The dtype of the more exact computation."""
        return EXACT[self.dtype]

    def document(self) -> dict[str, Any]:
        """As parity.json has them."""
        return {**asdict(self), "exact": self.exact, "listed": LISTED}

    def name(self, model: str) -> str:
        """Readable part of the case's name."""
        return f"parity-{model}-{self.dtype}{'-planted' if self.plant else ''}"


def definition(
    parameters: ParityParameters, model: dict[str, Any], engine: dict[str, Any], environment: dict[str, str], texts: str
) -> dict[str, Any]:
    """Everything that decides what a comparison gives. ``texts``: sha256 of the prompts."""
    return {
        "study": STUDY,
        "what": "parity",
        "parameters": parameters.document(),
        "model": model,
        "engine": engine,
        "environment": environment,
        "prompts_sha256": texts,
        "workers_sha256": sources_sha256(("engine_anatomy/worker_parity_*.py",)),
    }
