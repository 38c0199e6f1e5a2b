"""What the appendix says of each study that is not one of starts: question, command, document."""

from pydantic import BaseModel, ConfigDict

from harness.show.artifact import StudyEntry
from harness.spec.study import other_studies
from harness.spec.yamlfile import load_yaml
from harness.workspace import Workspace

_DOCUMENTS = {
    "prefix_sharing": "docs/prefix-sharing.md",
    "kv_headroom": "docs/headroom.md",
    "prefix_routing": "docs/routing.md",
    "engine_anatomy": "docs/anatomy.md",
}


class _Declared(BaseModel):
    """What every study's ``figure.yaml`` has, whatever else stands in it."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    question: str


def study_entries(workspace: Workspace) -> tuple[StudyEntry, ...]:
    """Every other study, in reading order.

    Raises:
        HarnessError: a declaration without a question.
    """
    return tuple(
        StudyEntry(name, load_yaml(workspace.figure(name) / "figure.yaml", _Declared).question, _DOCUMENTS[study])
        for name, study in other_studies(workspace).items()
    )
