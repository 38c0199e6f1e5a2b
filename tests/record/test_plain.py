"""Text from elsewhere: what is shown is one line, and only characters that stand for themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.plain import is_name, printable


@given(st.text(st.characters(), max_size=50), st.none() | st.integers(1, 20))
def test_any_text_becomes_one_printable_line_within_its_limit(text: str, limit: int | None) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert limit is None or len(shown) <= limit
    shown.encode()


@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" ")))
def test_text_that_is_harmless_is_not_changed(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hgone", "\\x1b[2J\\x1b[1;1Hgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("one\nerror: two\rthree", "one\\nerror: two\\rthree"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("half \udce9", "half \\udce9"),
        ("a\tb\u00a0c\u3000d", "a b c d"),
        ("[red]ümlaut[/red] $x$ 模型", "[red]ümlaut[/red] $x$ 模型"),
    ],
)
def test_what_could_move_a_cursor_or_forge_a_line_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_name_is_printable_and_neither_empty_nor_endless() -> None:
    assert is_name("llama3-3b")
    assert not any(map(is_name, ("", "a\nb", "x" * 301)))
