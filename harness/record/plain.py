"""Text that came from elsewhere as text that a terminal, a log line and a figure show as it is."""

import re
import unicodedata

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")


def printable(text: str, limit: int | None = None) -> str:
    """``text`` as one line of printable characters, cut to ``limit`` of them.

    Colours are dropped; every other control character, line end, direction override or half of a character pair is
    written as an escape such as ``\\x1b`` or ``\\n``: none can move a cursor, forge a second line, or turn text around.
    """
    plain = text if text.isprintable() else "".join(map(_shown, _COLOURS.sub("", text)))
    return plain if limit is None or len(plain) <= limit else plain[: max(limit - 1, 0)] + "…"


def is_name(text: str, limit: int = 300) -> bool:
    """Whether ``text`` can stand where people read a name: printable, not empty, not endless."""
    return 0 < len(text) <= limit and text.isprintable()


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character == "\t" or unicodedata.category(character) == "Zs":  # the wide, narrow and unbreakable blanks
        return " "
    return character.encode("unicode_escape").decode("ascii")
