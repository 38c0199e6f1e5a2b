"""The paper's machines as data: ``figures/paper-nodes.yaml``, one node for each column of its table of systems."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.spec.yamlfile import load_yaml

PAPER_NODES_YAML = Path(__file__).resolve().parents[2] / "figures" / "paper-nodes.yaml"


class PaperNode(BaseModel):
    """One machine; None is stated nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    used_in: str
    cpu: str | None = None
    gpu: str | None = None
    dram: str | None = None
    os: str | None = None
    kernel: str | None = None
    python: str | None = None
    cuda: str | None = None
    driver: str | None = None
    pytorch: str | None = None
    vllm: str | None = None
    ssd: str | None = None
    file_system: str | None = None


class PaperNodes(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    nodes: tuple[PaperNode, ...] = Field(min_length=1)


def load_paper_nodes(path: Path = PAPER_NODES_YAML) -> PaperNodes:
    """The paper's machines. Raises HarnessError naming file, line and field."""
    return load_yaml(path, PaperNodes)
