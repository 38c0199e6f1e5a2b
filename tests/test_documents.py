"""What documents, messages and docstrings tell people to type."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.workspace import ROOT

# A stock Debian or Ubuntu has no ``python``, and ``-m harness`` finds the harness in one folder only.
OTHER_SPELLING = re.compile(r"(?<![\w/.])python3? -m harness(?![.\w])")
TOLD = (".md", ".py", ".sh", ".yaml", ".j2", ".html")


def told() -> Iterator[Path]:
    """Files whose text people read now: not of dated results and past changes."""
    for folder in ("artifact", "benchmarks", "docs", "experiments", "figures", "harness", "patches"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in TOLD and "results" not in path.parts)
    yield from (path for path in ROOT.iterdir() if path.suffix in TOLD and path.name != "CHANGES.md")


def test_every_command_of_the_harness_is_spelt_python3_harness() -> None:
    other = [path for path in told() if OTHER_SPELLING.search(path.read_text(encoding="utf-8", errors="replace"))]
    assert other == []


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*"))])
def test_what_a_document_links_to_is_there(document: str) -> None:
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", text):
        linked = (path.parent / target) if target else path
        assert linked.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}, anchor
