"""What drawings print, as tables of a page."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from harness.show.report.printed import PrintedTable, printed


def test_a_group_is_its_tables_and_sentences_in_order_without_markup():
    table = Table(title="Loading [bold]models[/bold]")
    table.add_column("model")
    table.add_column("s", justify="right")
    table.add_row(Text("[red]not markup"), "[italic]1.5[/italic]")
    assert list(printed([Group(table, Text("a\x1bsentence")), "", "[dim]another[/dim]"])) == [
        PrintedTable("Loading models", ("model", "s"), (False, True), (("[red]not markup", "1.5"),)),
        "a\\x1bsentence",
        "another",
    ]
