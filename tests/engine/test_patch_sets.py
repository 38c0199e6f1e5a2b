"""The pins' real patch sets, against the real sources of their vllm."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from vllm_sources import vllm_sources

from harness.analyse.logs import parse_log
from harness.engine.hook_check import gone_hooks, standard_library
from harness.engine.patch_set import apply_diffs, diff_texts, sha256
from harness.engine.patching import apply, revert, status
from harness.spec.hooks import load_hooks
from harness.spec.pin import Pin, load_pin, pin_names
from harness.spec.serving_hooks import load_serving_hooks


@pytest.fixture(params=pin_names())
def pin(request: pytest.FixtureRequest) -> Pin:
    return load_pin(request.param)


@pytest.fixture
def sources(pin: Pin, pytestconfig: pytest.Config) -> Path:
    """The folder that holds the pin's pristine ``vllm/``."""
    assert pytestconfig.cache is not None
    return vllm_sources(pin.vllm_version, pytestconfig.cache.mkdir("vllm-sources"))


@pytest.fixture
def pristine(pin: Pin, sources: Path) -> dict[str, str]:
    """Path → text of every file that the pin patches, before patching."""
    contents = {path: (sources / path).read_bytes() for path in pin.files}
    assert {path: sha256(data) for path, data in contents.items()} == {
        path: entry.pristine_sha256 for path, entry in pin.files.items()
    }
    return {path: data.decode() for path, data in contents.items()}


@pytest.fixture
def patched(pin: Pin, pristine: dict[str, str]) -> dict[str, str]:
    """The same after patching."""
    contents = apply_diffs(diff_texts(pin).values(), {path: text.encode() for path, text in pristine.items()})
    return {path: data.decode() for path, data in contents.items()}


def added_lines(pin: Pin) -> dict[str, set[int]]:
    """Path → 1-based numbers, in the patched file, of the lines that the pin's diffs add (each file: one diff)."""
    added: dict[str, set[int]] = {}
    for text in diff_texts(pin).values():
        path, number = "", 0
        for line in text.splitlines():
            if line.startswith("+++ b/"):
                path = line.removeprefix("+++ b/")
                assert path not in added
                added[path] = set()
            elif hunk := re.match(r"@@ -\d+(?:,\d+)? \+(\d+)", line):
                number = int(hunk[1])
            elif path and line.startswith("+"):
                added[path].add(number)
                number += 1
            elif path and line.startswith(" "):
                number += 1
    return added


def is_added(node: ast.AST, lines: set[int]) -> bool:
    return isinstance(node, ast.stmt) and set(range(node.lineno, (node.end_lineno or 0) + 1)) <= lines


class WithoutAdded(ast.NodeTransformer):
    """Takes out every statement that lies on added lines only."""

    def __init__(self, lines: set[int]) -> None:
        self.lines = lines

    def visit(self, node: ast.AST) -> ast.AST | None:
        return None if is_added(node, self.lines) else super().generic_visit(node)


def added_statements(text: str, lines: set[int]) -> Iterator[ast.AST]:
    """Every node of the added statements."""
    for node in ast.walk(ast.parse(text)):
        if is_added(node, lines):
            yield from ast.walk(node)


def test_the_diffs_only_add_lines(pin: Pin) -> None:
    for name, text in diff_texts(pin).items():
        removed = [line for line in text.splitlines() if line.startswith("-") and not line.startswith("--- a/vllm/")]
        assert removed == [], name


def test_a_patched_file_without_the_added_lines_is_the_pristine_one(
    pin: Pin, pristine: dict[str, str], patched: dict[str, str]
) -> None:
    for path, lines in added_lines(pin).items():
        assert sha256(patched[path].encode()) == pin.files[path].patched_sha256
        kept = [line for number, line in enumerate(patched[path].splitlines(True), 1) if number not in lines]
        assert "".join(kept) == pristine[path]


def test_the_syntax_tree_without_the_hook_statements_is_the_pristine_one(
    pin: Pin, pristine: dict[str, str], patched: dict[str, str]
) -> None:
    assert set(added_lines(pin)) == set(pin.files)
    for path, lines in added_lines(pin).items():
        remaining = WithoutAdded(lines).visit(ast.parse(patched[path]))
        assert ast.dump(remaining) == ast.dump(ast.parse(pristine[path])), path
        assert ast.dump(ast.parse(patched[path])) != ast.dump(ast.parse(pristine[path])), path


def test_added_statements_bind_private_names_and_change_no_control_flow(
    pin: Pin, pristine: dict[str, str], patched: dict[str, str]
) -> None:
    for path, lines in added_lines(pin).items():
        for node in added_statements(patched[path], lines):
            assert not isinstance(node, ast.Return | ast.Raise | ast.Delete | ast.Yield | ast.Await | ast.Break), path
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assert node.id.startswith("_coldstart_"), path
            if isinstance(node, ast.alias):
                name = node.asname or node.name
                assert name.startswith("_coldstart_") or not re.search(rf"\b{name} =", pristine[path]), path


def test_the_tracer_is_optional_wherever_it_is_loaded(
    pin: Pin, patched: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = patched["vllm/__init__.py"]
    lines = added_lines(pin)["vllm/__init__.py"]
    loader = "\n".join(line for number, line in enumerate(text.splitlines(), 1) if number in lines)
    assert text.index("COLDSTART_TRACE_DIR") < text.index("from .version import")
    monkeypatch.delenv("COLDSTART_TRACE_DIR", raising=False)
    exec(loader, {})
    monkeypatch.setenv("COLDSTART_TRACE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "coldstart_tracer", None)
    exec(loader, {})  # no tracer there
    monkeypatch.delitem(sys.modules, "coldstart_tracer")
    (tmp_path / "coldstart_tracer.py").write_text("raise RuntimeError('broken')\n")
    monkeypatch.syspath_prepend(tmp_path)
    exec(loader, {})  # a broken one


def test_the_added_log_lines_are_read_as_the_papers_quantities(pin: Pin, patched: dict[str, str]) -> None:
    seconds = {"Init Tokenizer": ("tokenizer_init", 0.29), "Initializing Model": ("model_init", 0.14)}
    seconds["Graph capturing"] = ("graph_capturing", 1.04)
    written = set()
    for path, lines in added_lines(pin).items():
        for node in added_statements(patched[path], lines):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "%" in node.value:
                quantity, value = next(v for k, v in seconds.items() if k in node.value)
                message = node.value % ((value, 0.4) if node.value.count("%") == 2 else value)
                log = [f"INFO 01-02 03:04:05.678 [module.py:1] {message}"]
                assert parse_log(log)[quantity] == value
                written.add(quantity)
    assert written == {"tokenizer_init", "model_init", "graph_capturing"}


def test_every_hook_of_vllm_has_its_target(pin: Pin, sources: Path) -> None:
    tables = [*load_hooks(pin.hooks).hook, *load_serving_hooks(pin.serving).hook]
    hooks = [hook for hook in tables if hook.module.split(".")[0] == "vllm"]
    assert len(hooks) > 60
    assert [str(gone) for gone in gone_hooks(hooks, [sources, standard_library(None)]) if not gone.optional] == []


def test_applying_to_the_real_files_and_reverting_gives_them_back(
    pin: Pin, pristine: dict[str, str], patched: dict[str, str], tmp_path: Path
) -> None:
    for path, text in {**pristine, "vllm/_version.py": f"__version__ = '{pin.vllm_version}'\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}
    apply(pin, tmp_path / "vllm")
    assert apply(pin, tmp_path / "vllm") == []
    assert {path: (tmp_path / path).read_text() for path in patched} == patched
    assert status(pin, tmp_path / "vllm").state == "applied"
    revert(pin, tmp_path / "vllm")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_lock_pins_every_package_by_hash_and_names_no_index(pin: Pin) -> None:
    lines = [line for line in pin.lock.read_text().splitlines() if line and not line.startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    assert all(re.match(r"[a-z0-9][a-z0-9._-]*==[^ ]+ (; .* )?\\$", line) for line in packages)
    assert all(re.match(r"    --hash=sha256:[0-9a-f]{64}( \\)?$", line) for line in lines if line not in packages)
    for number, line in enumerate(lines):
        if line in packages:
            assert lines[number + 1].startswith("    --hash="), line
    assert f"{pin.distribution}=={pin.version} \\" in packages
