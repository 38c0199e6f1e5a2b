"""What the report's page holds, and its rendering: templates beside this file, nothing from anywhere else."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.analyse.badges import Badge
from harness.analyse.rerun import Rerun
from harness.analyse.systems import System
from harness.record.plain import printable
from harness.show.report.claims import ClaimRow
from harness.show.report.drawings import Drawn
from harness.show.report.font import font_faces
from harness.show.report.runs import CaseTable, Certified, Troubled
from harness.show.report.svg import texts

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class FigureSection:
    """One figure. ``measured``: where its own data comes from, in words; empty if it has none."""

    number: str
    question: str
    measured: str
    drawings: tuple[Drawn, ...]
    notes: tuple[str, ...]
    reruns: tuple[Rerun, ...]
    cells: tuple[tuple[str, Rerun], ...]  # slot, and how to measure one of its cases again

    @property
    def wide(self) -> bool:
        """Whether its drawings stand one below the other."""
        return any(drawing.wide for drawing in self.drawings)


@dataclass(frozen=True)
class Page:
    """Everything on the page."""

    machine: Sequence[tuple[str, str]]
    ran: Sequence[tuple[str, str]]
    badges: Sequence[Badge]
    certificates: Sequence[Certified]
    verdicts: Sequence[tuple[str, int]]  # verdict → number of claims, in the order of the verdicts
    claims: Sequence[ClaimRow]
    figures: Sequence[FigureSection]
    explorer: Mapping[str, Any]  # as harness.analyse.explorer.document gives it
    cases: Sequence[CaseTable]
    troubled: Sequence[Troubled]
    system_rows: Sequence[str]
    systems: Sequence[System]
    systems_source: str
    nodes: Sequence[str]
    differences: Mapping[str, Sequence[str | None]]
    problems: Sequence[str]  # what could not be read, one line each


def render(page: Page) -> str:
    """The page as one HTML document."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"slug": _slug, "seconds": _seconds, "code": _code, "hash": _hash}
    return environment.get_template("page.html").render(
        page=page,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        fonts=Markup(
            font_faces(text for each in page.figures for d in each.drawings if d.svg for text in texts(d.svg))
        ),
        first_script=Markup('document.documentElement.classList.add("js")'),  # before anything is drawn
        script=Markup((TEMPLATES / "script.js").read_text(encoding="utf-8")),
        explorer=_embedded(page.explorer),
        svg=Markup,
    )


def _embedded(document: Mapping[str, Any]) -> Markup:
    """JSON inside a ``<script>`` element: nothing in it ends the element, whatever a model is called."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _hash(script: str) -> str:
    """How the page's content security policy names a script that may run; one that a text smuggles in may not."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _slug(text: str) -> str:
    """A word for a class or an id; a name that came from elsewhere becomes one of letters, digits and hyphens."""
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in text.lower())


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def _code(text: str) -> Markup:
    """A sentence whose parts between backticks are code."""
    parts = printable(text).split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))
