"""The report in a real browser: from file://, without a network, by mouse and keyboard, narrow, dark, printed."""

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.show.report.conftest import HOSTILE, Opener


def column(page: Page, table: str, number: int) -> list[str]:
    """The values that a column of the shown rows is sorted by."""
    rows = f"#{table} tbody tr:not([hidden])"
    script = f"rows => rows.map(row => row.cells[{number}].dataset.v ?? row.cells[{number}].textContent.trim())"
    values: list[str] = page.eval_on_selector_all(rows, script)
    return values


def contrast(element: Locator) -> float:
    """The contrast of an element's text with what lies behind it, as WCAG counts it."""
    ratio: float = element.evaluate(
        """element => {
          const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
          const painted = (...colours) => {
            canvas.fillStyle = "white"; canvas.fillRect(0, 0, 1, 1);
            for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
          };
          const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
          const light = colour => colour.map(v => linear(v / 255))
            .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
          const behind = [];
          for (let up = element; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
          const back = light(painted(...behind)), text = light(painted(...behind, getComputedStyle(element).color));
          return (Math.max(back, text) + .05) / (Math.min(back, text) + .05);
        }"""
    )
    return ratio


def test_a_click_on_a_head_sorts_numbers_as_numbers_and_another_one_turns_them_round(opened: Opener):
    page = opened()
    head = page.locator("#claims-table thead th").nth(2)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    rising = [float(value) for value in column(page, "claims-table", 2)]
    assert rising == sorted(rising)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [float(value) for value in column(page, "claims-table", 2)] == sorted(rising, reverse=True)


def test_what_has_no_value_comes_last_in_either_order(opened: Opener):
    page = opened()
    button = page.locator("#runs-table thead th").nth(4).get_by_role("button")
    for _ in range(2):
        button.click()
        values = column(page, "runs-table", 4)
        assert "" in values
        assert "" not in values[: len(values) - values.count("")]


def test_claims_are_filtered_by_figure_verdict_and_words_and_the_number_is_said(opened: Opener):
    page = opened()
    every = page.locator("#claims-table tbody tr").count()
    form = page.get_by_role("form", name="Filter the claims")
    expect(form.get_by_role("status")).to_have_text(f"all {every}")
    form.get_by_label("Figure").select_option("13")
    shown = page.locator("#claims-table tbody tr:visible")
    assert 0 < shown.count() < every
    assert {row.get_attribute("data-figure") for row in shown.all()} == {"13"}
    form.get_by_label("Text").fill("nothing says this")
    expect(form.get_by_role("status")).to_have_text(f"0 of {every}")
    form.get_by_label("Text").fill("")
    form.get_by_label("Figure").select_option("")
    form.get_by_label("Verdict").select_option("not run")
    assert {row.get_attribute("data-verdict") for row in shown.all()} == {"not run"}


def test_a_piece_tells_the_same_to_a_pointer_and_to_the_keyboard(opened: Opener):
    page = opened()
    page.locator("#run").select_option(label="s1/1, measured, 3.00 s")
    piece = page.locator(".piece", has_text="load_weights").first
    piece.hover()
    tip = page.get_by_role("tooltip")
    pointed = tip.inner_text()
    for words in ("load_weights", "0.750 s", "worker process", "2.000 to 2.750 s after exec", "read the checkpoint"):
        assert words in pointed
    page.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    piece.focus()
    assert tip.inner_text() == pointed
    name = piece.get_attribute("aria-label") or ""
    assert all(line.strip() in name for line in pointed.splitlines() if line.strip())


def test_arrow_keys_move_through_the_pieces_and_escape_closes_what_they_say(opened: Opener):
    page = opened()
    names = page.locator(".piece").evaluate_all("pieces => pieces.map(piece => piece.ariaLabel)")
    page.locator(".piece[tabindex='0']").focus()
    focused = "document.activeElement.ariaLabel"
    assert page.evaluate(focused) == names[0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == names[1]
    page.keyboard.press("End")
    assert page.evaluate(focused) == names[-1]
    page.keyboard.press("Home")
    assert page.evaluate(focused) == names[0]
    assert page.locator(".piece[tabindex='0']").count() == 1
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()


def test_the_keyboard_alone_skips_sorts_and_opens(opened: Opener):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    head = page.locator("#claims-table thead th").nth(2)
    head.get_by_role("button").focus()
    outline = head.get_by_role("button").evaluate("button => getComputedStyle(button).outlineStyle")
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert outline == "solid"
    summary = page.locator("#troubled summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#troubled dl").first).to_be_visible()


def test_any_run_of_the_table_can_be_explored(opened: Opener):
    page = opened()
    page.get_by_role("button", name="Explore tiny_fake_compiled-0a0b0c0d, run s1/2").click()
    expect(page.locator("#run-about")).to_contain_text("run s1/2 (measured), ready after 3.000 s, 3 pieces")
    assert page.evaluate("document.activeElement.className").startswith("piece")
    before = page.locator("#lanes").evaluate("lanes => lanes.clientWidth")
    page.get_by_role("button", name="Zoom in").click()
    assert page.locator("#lanes").evaluate("lanes => lanes.clientWidth") == pytest.approx(2 * before, abs=2)


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_makes_the_page_itself_scroll_sideways(opened: Opener, width: int):
    page = opened(width=width)
    page.locator("details").evaluate_all("every => every.forEach(details => { details.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_either_scheme(opened: Opener, scheme: str):
    page = opened(scheme=scheme)
    for selector in (
        "#claims-table .statement",
        "#claims-table .quantity",
        ".tag",
        ".lead",
        "nav a",
        ".cmd code",
        "dt",
    ):
        for element in page.locator(selector).all()[:12]:
            assert contrast(element) >= 4.5, f"{selector}: {element.inner_text()}"
    page.locator(".piece.label").first.focus()
    assert contrast(page.get_by_role("tooltip")) >= 4.5
    for label in page.locator(".piece.label").all()[:6]:
        assert contrast(label) >= 4.5, label.inner_text()


def test_the_theme_is_the_systems_until_another_is_chosen(opened: Opener):
    page = opened(scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    text_of_a_figure = "getComputedStyle(document.querySelector('.drawing svg text')).fill"
    dark, dark_ink = page.evaluate(background), page.evaluate(text_of_a_figure)
    button = page.get_by_role("button", name="Theme")
    button.click()
    expect(button).to_have_text("Theme: light")
    assert page.evaluate(background) != dark
    assert page.evaluate(text_of_a_figure) != dark_ink
    button.click()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate(background) == dark


def test_it_is_told_aloud_in_order(opened: Opener):
    page = opened()
    told = page.locator("body").aria_snapshot()
    for words in (
        "- banner:",
        '- navigation "Sections":',
        "- main:",
        "- contentinfo:",
        'heading "The paper’s claims" [level=2]',
        'table "Claims of the paper: its value, what was measured here, and the verdict"',
        'columnheader "verdict"',
        'group "Pieces of the critical path in order of time"',
        'table "Specifications of every node, this machine’s and the paper’s"',
    ):
        assert words in told, words
    assert re.search(r'img "Figure 2, measured here\. Measured on this machine', told)
    levels = page.locator("h1, h2, h3").evaluate_all("every => every.map(each => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("th:not([scope])").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    ids = page.locator("[id]").evaluate_all("every => every.map(each => each.id)")
    assert len(ids) == len(set(ids))


def test_it_prints_everything(opened: Opener):
    page = opened()
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 24, 29)"
    for selector in ("nav", ".filters", "#explorer", "#theme"):
        expect(page.locator(selector).first).to_be_hidden()
    assert page.locator("#claims-table tbody tr:visible").count() == page.locator("#claims-table tbody tr").count()
    log = page.locator("#troubled pre", has_text="the last line").first
    expect(log).to_be_visible()
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 100_000


def test_without_javascript_everything_but_exploring_is_there(opened: Opener):
    page = opened(javascript=False)
    assert page.locator("#claims-table tbody tr:visible").count() > 10
    expect(page.locator("#explorer")).to_be_hidden()
    expect(page.get_by_text("Exploring runs piece by piece needs JavaScript")).to_be_visible()
    expect(page.locator("#troubled pre", has_text="the last line").first).to_be_visible()
    assert page.locator("thead button").count() == 0


def test_commands_are_copied_as_they_stand(opened: Opener):
    page = opened()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("#rerun .cmd button").first
    page.locator("#rerun summary").first.click()
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "bash run_figure.sh 2"


def test_hostile_names_are_words_and_nothing_else(opened_hostile: Opener):
    page = opened_hostile()
    assert page.locator("img, iframe, object, embed, link[href^=http]").count() == 0
    expect(page.locator("#trouble", has_text=HOSTILE)).to_be_visible()
    assert page.locator(".drawing svg text", has_text="onerror=alert(1)").count() > 0
    page.locator(".piece").first.focus()
    expect(page.get_by_role("tooltip")).to_be_visible()
    assert page.locator("script").count() == 3
