"""A real virtual environment with a small vllm of a version that no pin names, to install the tracer alone into."""

import sys
import venv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from fake_vllm import PRISTINE, FakeEngine, make_fake_engine

from harness.spec.pin import Pin

TABLE = {
    "vllm.v1.core:Core.start": 'disarm = "after"',
    "vllm.v1.core:main": "",
    "vllm.loader:load_weights": "",
    "vllm.logger:configure": "",
    "vllm.v1.gpu:Runner.warm": "optional = true",
    "subprocess:Popen.__init__": "",
}
SOURCES = PRISTINE | {
    "vllm/_version.py": "__version__ = version = '1.3.0.dev5+gabc'\n",
    "vllm/loader.py": "def load_weights(): ...\n",
    "vllm/logger.py": "def configure(): ...\n",
}


@dataclass(frozen=True)
class FakeEnvironment:
    """A virtual environment, its vllm, and the pins of the harness."""

    folder: Path
    engine: FakeEngine  # the vllm in its site-packages, and pin 1.2.3

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        return self.engine.site

    @property
    def vllm_dir(self) -> Path:
        return self.engine.vllm_dir

    def tree(self) -> dict[str, bytes | None]:
        """Every folder, and every file with its content, compiled ones too."""
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in self.folder.rglob("*")
        }


def declare_pin(patches: Path, pin: Pin, table: dict[str, str]) -> None:
    """Write a pin's folder."""
    (patches / pin.name).mkdir(exist_ok=True)
    (patches / pin.name / "pin.yaml").write_text(yaml.safe_dump(pin.model_dump(mode="json")))
    declare_table(patches / pin.name / "hooks.toml", table)


def declare_table(file: Path, table: dict[str, str]) -> None:
    """Write ``module:name`` → further lines as a hook table."""
    rows = (
        '[[hook]]\nmodule = "{}"\nname = "{}"\n{}\nkind = "container"\nwhy = "a test"\n'.format(*key.split(":"), more)
        for key, more in table.items()
    )
    file.write_text("".join(rows))


def make_fake_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    """An environment in ``root``; its site-packages hold ``SOURCES``, the table of the pin is ``TABLE``."""
    engine = make_fake_engine(root, monkeypatch)
    declare_pin(engine.patches, engine.pin, TABLE)
    folder = root / "environment"
    venv.create(folder, symlinks=True, with_pip=False)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    write(site, SOURCES)
    return FakeEnvironment(folder, replace(engine, site=site))


def write(root: Path, sources: dict[str, str]) -> None:
    """Write path → text below ``root``."""
    for path, text in sources.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
