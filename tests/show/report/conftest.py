"""A browser, and pages to open in it: one of a checkout with a bit of everything, one whose texts are hostile."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from harness.commands.report.command import run_report
from harness.workspace import Workspace
from tests.report_example import fill, make_workspace

FIGURES = ("2", "12", "13", "ladder")
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&amp;{{7*7}}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Where ``HARNESS_NEED_CHROMIUM`` is set, its absence is a failure.

    Of a module: while it is open no other test of this process can run an event loop.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        message = "no Chromium on PATH; apt-get install chromium"
        if os.environ.get("HARNESS_NEED_CHROMIUM"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Opened:
    """A page, and everything that must not have happened on it."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Opener:
    """Opens a report with a window of some width, in a colour scheme."""

    browser: Browser
    file: Path
    opened: list[Opened] = field(default_factory=list)

    def __call__(self, width: int = 1280, scheme: str = "light", javascript: bool = True) -> Page:
        """The page, loaded from ``file://``."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            java_script_enabled=javascript,
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        found = Opened(page, context)
        page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: found.complaints.append(f"request: {request.url[:80]}"))
        page.goto(self.file.as_uri())
        document = f"request: {self.file.as_uri()}"[:89]
        found.complaints[:] = [line for line in found.complaints if line[:89] != document and ": data:" not in line]
        self.opened.append(found)
        return page

    def close(self) -> list[str]:
        """Close what was opened; returns what it complained of."""
        complaints = [line for each in self.opened for line in each.complaints if ": data:" not in line]
        for each in self.opened:
            each.context.close()
        self.opened.clear()
        return complaints


def made_report(folder: Path, name: str, figures: tuple[str, ...] = FIGURES) -> Path:
    """A report of a filled checkout whose model is called ``name``."""
    workspace: Workspace = make_workspace(folder / "checkout")
    fill(workspace, name)
    out = folder / "report.html"
    assert run_report(out, [], figures, False, workspace) == 0
    return out


@pytest.fixture(scope="session")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_report(tmp_path_factory.mktemp("report"), "tiny")


@pytest.fixture(scope="session")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_report(tmp_path_factory.mktemp("hostile"), HOSTILE, ("2",))


@pytest.fixture
def opened(browser: Browser, report_file: Path) -> Iterator[Opener]:
    """Opens the report; at the end nothing may have been loaded, logged or thrown."""
    opener = Opener(browser, report_file)
    yield opener
    assert opener.close() == []


@pytest.fixture
def opened_hostile(browser: Browser, hostile_file: Path) -> Iterator[Opener]:
    """The same for the report with hostile texts."""
    opener = Opener(browser, hostile_file)
    yield opener
    assert opener.close() == []
