"""The page as text: everything is escaped, nothing is loaded, the same content makes the same bytes."""

import html
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyse.badges import Badge, Point
from harness.analyse.explorer import document
from harness.analyse.judged import Judged
from harness.analyse.rerun import Rerun
from harness.analyse.systems import ROWS, System
from harness.show.report.claims import claim_rows, verdict_counts
from harness.show.report.drawings import Drawn
from harness.show.report.page import FigureSection, Page, render
from harness.show.report.printed import PrintedTable
from harness.show.report.runs import Certified
from harness.spec.claims import Bounds, load_claims

HOSTILE = "</script><script>alert(1)</script><!--{{7*7}}\"'"


def page(text: str = "words") -> Page:
    """A page on which every free text is ``text``."""
    claim = load_claims()[0]
    judged = [
        Judged(claim, "inconclusive", 1.25, (1.0, 1.5), 5, text, (text,), 3),
        Judged(replace_statement(claim, text), "not run", None, None, 0, text),
    ]
    table = PrintedTable(text, (text, "s"), (False, True), ((text, "1"),))
    drawn = Drawn(text, "measured", problem=text, numbers=(table, text))
    run = Rerun(text, text, text)
    return Page(
        machine=[("CPU", text)],
        ran=[("models", text)],
        badges=[Badge("functional", text, False, (Point(None, f"`{text}` and {text}"), Point(True, text)))],
        certificates=[Certified(text, text, text, 1, 2, (text,))],
        verdicts=verdict_counts(judged),
        claims=claim_rows(judged),
        figures=[FigureSection("2", text, text, (drawn,), (text,), (run,), ((text, run),))],
        explorer=document([], {}, {}) | {"hooks": [text]},
        cases=(),
        troubled=(),
        system_rows=ROWS,
        systems=[System(text, text, {"CPU": text})],
        systems_source=text,
        nodes=[text, text],
        differences={text: [text, None]},
        problems=[text],
    )


def replace_statement(claim, text):  # type: ignore[no-untyped-def]
    return claim.model_copy(update={"statement": text, "quantity": text, "caveat": text})


def embedded(text: str) -> dict[str, object]:
    """The data of the explorer, as a browser finds it."""
    found = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', text, re.DOTALL)
    assert found
    document: dict[str, object] = json.loads(found[1])
    return document


def test_hostile_texts_are_escaped_everywhere():
    plain, hostile = render(page()), render(page(HOSTILE))
    assert "49" not in hostile.replace(plain, "") or "7*7" in hostile
    assert hostile.count("<script") == plain.count("<script") == 3
    assert "<!--" not in hostile
    assert html.escape(HOSTILE, quote=True)[:30] in hostile
    assert embedded(hostile)["hooks"] == [HOSTILE]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_no_text_ends_the_script_that_holds_the_data(text: str):
    told = embedded(render(replace(page(), explorer={"runs": [], "left_out_below_s": None, "hooks": [text]})))
    assert told["hooks"] == [text]


def test_nothing_is_loaded_and_only_the_pages_own_scripts_may_run():
    text = render(page())
    assert re.search(r"default-src 'none'; script-src 'sha256-[^']+' 'sha256-[^']+'; style-src", text)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert not re.search(r"url\((?!data:|#)", text)
    assert "@import" not in text


def test_the_same_content_makes_the_same_bytes():
    assert render(page()) == render(page())


@pytest.mark.parametrize(
    ("bounds", "said"), [(Bounds(low=0.5), "≥ 0.5"), (Bounds(high=2.0), "≤ 2"), (Bounds(low=0.5, high=2.0), "0.5 to 2")]
)
def test_a_claims_row_says_value_interval_and_tolerance(bounds: Bounds, said: str):
    claim = load_claims()[0].model_copy(
        update={"paper": -1.5, "unit": "s", "tolerance": bounds, "shape": None, "caveat": None, "known_failure": True}
    )
    (row,) = claim_rows([Judged(claim, "inconclusive", 0.25, (0.125, 1.0), 5, "why", ("a twin",), 7)])
    assert (row.paper, row.tolerance, row.mine, row.interval) == ("−1.5 s", (said,), "0.25 s", "0.125 to 1 s")
    assert row.notes == (
        "a twin",
        "about 7 more repeats would decide it",
        "the paper's method fails here: reproduced when it fails again",
    )
