"""``python3 harness engines list`` and ``engines remove``."""

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.engine.environments import environments, remove_environment
from harness.errors import HarnessError
from harness.measure.lock import only_measurement
from harness.record.plain import printable
from harness.spec.pin import pin_names, release_names
from harness.workspace import Workspace


def run_list(as_json: bool, workspace: Workspace) -> int:
    """Print every declared engine and what else lies in ``engines/``."""
    found = environments(workspace)
    patched = set(pin_names())
    console = Console(highlight=False, markup=False, stderr=as_json)
    table = Table("engine", "patched", "state", "GB")
    for each in found:
        is_patched = "?" if each.state == "unknown" else "yes" if each.name in patched else "no"
        table.add_row(Text(printable(each.name, 60)), is_patched, each.state, f"{each.bytes / 1e9:.1f}")
    console.print(table)
    console.print(f"{sum(each.bytes for each in found) / 1e9:.1f} GB in all; python3 harness engines remove NAME…")
    if as_json:
        print(json.dumps({"engines": [vars(each) for each in found]}))
    return 0


def run_remove(names: list[str], releases: bool, workspace: Workspace) -> int:
    """Remove the named environments, or those of every release that is there.

    Raises:
        HarnessError: nothing was named, something is measured or installed, or one cannot be removed.
    """
    if bool(names) == releases:
        raise HarnessError("name the environments to remove, or give --releases; see: python3 harness engines list")
    chosen = dict.fromkeys(names or (name for name in release_names() if (workspace.engines / name).is_dir()))
    console = Console(highlight=False, markup=False, stderr=True)
    with only_measurement(workspace.root, "removing engines"):
        for name in chosen:
            freed = remove_environment(name, workspace)
            console.print(f"Removed engines/{name}: {freed / 1e9:.1f} GB", soft_wrap=True)
    if not chosen:
        console.print("no release is installed")
    return 0
