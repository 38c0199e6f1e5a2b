"""An engine's own files: which of them a start reads, and the place in memory that is declared for them."""

from functools import cache
from pathlib import Path

from harness.state.files import FilesState, look, make_cold, make_warm

# What a start reads of an engine's environment. Sources are only looked at where bytecode is older.
SHARED_OBJECT, BYTECODE = ".so", ".pyc"


def look_at_libraries(declared: str, folders: tuple[Path, ...]) -> FilesState | None:
    """The libraries below ``folders`` brought into the declared state, and looked at; None: no folder is declared."""
    if not folders:
        return None
    match declared:
        case "warm":
            return make_warm(environment_files(folders, bytecode=False))
        case "all warm":
            return make_warm(environment_files(folders, bytecode=True))
        case "cold":
            return make_cold(environment_files(folders, bytecode=True))
    return look(environment_files(folders, bytecode=False))


@cache
def environment_files(folders: tuple[Path, ...], bytecode: bool) -> tuple[Path, ...]:
    """Shared objects of an environment (and its bytecode): their names do not change while it is measured."""
    everything = (path for folder in folders for path in folder.rglob("*"))
    found = {path for path in everything if SHARED_OBJECT in path.suffixes or (bytecode and path.suffix == BYTECODE)}
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))
