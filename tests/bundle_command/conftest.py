"""Two checkouts, and somebody who types in them."""

from pathlib import Path

import pytest

from harness.cli import slots as cli_slots
from harness.workspace import Workspace
from tests.bundle_command.slots import checkout
from tests.checkout import Call, Done


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    return checkout(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Workspace:
    return checkout(tmp_path / "there")


@pytest.fixture
def call(typed: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Type a command in a checkout."""

    def run(workspace: Workspace, *arguments: str | Path) -> Done:
        monkeypatch.chdir(workspace.root)
        monkeypatch.setattr(cli_slots, "Workspace", lambda: workspace)
        return typed(*arguments)

    return run
