"""Where a node's trained forecasts are kept, whatever the node is called and whoever may write there."""

import errno
from pathlib import Path
from typing import Any

import pytest

from harness.commands.predict import stored as predict_stored
from harness.commands.predict.nodes import Node
from harness.commands.predict.stored import trained
from harness.workspace import Workspace
from tests.paper_sweep import paper_sweep


def node(name: str) -> Node:
    return Node(name, "somebody's starts", paper_sweep("10", "gpu1").found.used)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "..", "a/b", "paper:n1", "node\n1"])
def test_no_name_of_a_node_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "one" / "two" / "checkout"
    root.mkdir(parents=True)
    forecast, notes = trained(node(name), "warm", Workspace(root))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in written] == [root / "predictors"]
    assert notes == []
    assert trained(node(name), "warm", Workspace(root)) == (forecast, [])


def test_a_forecast_that_cannot_be_stored_is_still_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _document: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(predict_stored, "write_json", refuse)
    forecast, (note,) = trained(node("node-1"), "warm", Workspace(tmp_path))
    assert len(forecast.models) == len(paper_sweep("10", "gpu1").models)
    assert note.startswith("predictors/node-1.json is not stored (Read-only file system)")
