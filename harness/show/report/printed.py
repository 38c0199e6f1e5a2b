"""What a drawing's command prints (rich tables and texts) as tables and paragraphs that a page can hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.record.plain import printable

_LONGEST = 2000


@dataclass(frozen=True)
class PrintedTable:
    """A table: its title, the heads of its columns, which of them hold numbers, and its rows."""

    title: str
    heads: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


Printed = PrintedTable | str


def printed(notes: Sequence[RenderableType]) -> Iterator[Printed]:
    """The notes in their order; a text is a paragraph."""
    for note in notes:
        if isinstance(note, Group):
            yield from printed(list(note.renderables))
        elif isinstance(note, Table):
            yield _table(note)
        elif words := _plain(note):
            yield words


def _table(table: Table) -> PrintedTable:
    columns = [[_plain(cell) for cell in column.cells] for column in table.columns]
    return PrintedTable(
        _plain(table.title or ""),
        tuple(_plain(column.header) for column in table.columns),
        tuple(column.justify == "right" for column in table.columns),
        tuple(zip(*columns, strict=True)),
    )


def _plain(content: RenderableType) -> str:
    text = Text.from_markup(content) if isinstance(content, str) else content
    return printable(text.plain if isinstance(text, Text) else str(text), _LONGEST).strip()
