"""The line on which a function is defined, from the text of its module: where to look for what a hook wraps."""

import re


def line_of(text: str, qualified_name: str) -> int | None:
    """1-based line of ``def`` or ``class`` of ``Outer.inner`` in a module's text; None if it is not there.

    By indentation, not by parsing: a hundred modules of an engine take seconds to parse.
    """
    lines = text.splitlines()
    begin, end, indent = 0, len(lines), -1
    for name in qualified_name.split("."):
        found = _definition(lines, begin, end, indent, name)
        if found is None:
            return None
        at, indent = found
        begin, end = at + 1, _end_of_block(lines, at, indent)
    return begin


def _definition(lines: list[str], begin: int, end: int, outer: int, name: str) -> tuple[int, int] | None:
    """Index and indentation of the outermost definition of ``name`` in a block; of several the first."""
    pattern = re.compile(rf"(\s*)(?:async\s+def|def|class)\s+{re.escape(name)}\b")
    matches = ((at, pattern.match(lines[at])) for at in range(begin, end))
    found = [(len(match[1]), at) for at, match in matches if match and len(match[1]) > outer]
    if not found:
        return None
    indent, at = min(found)
    return at, indent


def _end_of_block(lines: list[str], at: int, indent: int) -> int:
    """Index of the first statement after the block that line ``at`` begins."""
    for number in range(at + 1, len(lines)):
        stripped = lines[number].lstrip()
        if stripped and stripped[0] not in "#)" and len(lines[number]) - len(stripped) <= indent:
            return number
    return len(lines)
