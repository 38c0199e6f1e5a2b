"""A fake ``vllm serve`` beside the fake engine: in an environment that looks like somebody's own, with the real tracer.

The tracer comes from ``apply_patches.py``'s own machinery, so that the harness takes the environment for what it is.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from harness.engine import hooks_only
from harness.engine.vllm_place import place_of
from harness.spec import pin as pins
from tests.checkout import add_fake_engine, make_checkout
from tests.measure.fake_engine import HOOKS, FakeEngine, fake_pin, make_fake_engine

SERVER = (Path(__file__).parent / "fake_server_package.py").read_text()
COMMAND = "import sys\n\nfrom vllm.server import main\n\nsys.exit(main())\n"
SERVER_HOOKS = HOOKS + "".join(
    f'\n[[hook]]\nmodule = "vllm.server"\nname = "{name}"\n{more}\nrole = "main"\nwhy = "a test"\n'
    for name, more in {
        "main": 'kind = "container"',
        "set_up": 'kind = "work"\nphase = "server_start"',
        "answer_healthy": 'kind = "work"\nphase = "server_start"\ndisarm = "after"',
    }.items()
)


def add_server(fake: FakeEngine) -> None:
    """Put the server beside a fake engine without a tracer."""
    site, folder = fake.engine.site_packages, fake.engine.folder / "bin"
    (site / "vllm" / "server.py").write_text(SERVER)
    (site / "torch" / "version.py").write_text("cuda = None\n")
    (folder / "vllm").write_text(f"#!{fake.engine.python}\n{COMMAND}")
    (folder / "vllm").chmod(0o755)


def install_tracer(fake: FakeEngine) -> None:
    """``apply_patches.py --hooks-only``; what was installed before is replaced."""
    hooks_only.apply(hooks_only.plan(place_of(fake.engine.python)))


def remove_tracer(fake: FakeEngine) -> None:
    """Make the environment one that the harness has never seen."""
    site = fake.engine.site_packages
    shutil.rmtree(site / "coldstart_tracer", ignore_errors=True)
    (site / "coldstart_tracer.pth").unlink(missing_ok=True)


@contextmanager
def pins_of(root: Path) -> Iterator[None]:
    """The pins are those of the checkout ``root``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pins, "PATCHES", root / "patches")
        yield


@contextmanager
def serving_engine(root: Path) -> Iterator[FakeEngine]:
    """A fake engine with a server and the tracer alone, and in ``root/patches`` the pin whose hook table it is."""
    folder = root / "patches" / fake_pin().name
    shutil.copytree(pins.PATCHES / "tracer", root / "patches" / "tracer")
    folder.mkdir()
    (folder / "pin.yaml").write_text(yaml.safe_dump(fake_pin().model_dump(mode="json")))
    (folder / "hooks.toml").write_text(SERVER_HOOKS)
    fake = make_fake_engine(root, traced=False)
    add_server(fake)
    with pins_of(root):
        install_tracer(fake)
        yield fake


def serving_checkout(root: Path) -> FakeEngine:
    """A throw-away checkout whose fake engine can be started as a server too."""
    checkout = make_checkout(root)
    fake = add_fake_engine(checkout)
    (checkout.root / "patches" / "fake" / "hooks.toml").write_text(SERVER_HOOKS)
    add_server(fake)
    return fake
