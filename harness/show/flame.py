"""The critical path of a start as a flame graph: a self-contained SVG without scripts.

A frame's width is the seconds that the start spent in it; what was open inside it stands below it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from matplotlib.colors import to_hex

from harness.analyse.partition import Partition
from harness.analyse.phases import UNATTRIBUTED
from harness.analyse.stacks import Frame, stacks
from harness.record.plain import printable
from harness.show.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, YELLOW, tint, wrap

WIDTH_PX, MARGIN_PX, ROW_PX = 1200, 12, 16
INNER_PX = WIDTH_PX - 2 * MARGIN_PX
MIN_PX = 0.2  # narrower frames are not drawn
FRAME_PX, FACT_PX, TITLE_PX = 10, 12, 16  # font sizes
LETTER_PX = 0.602 * FRAME_PX  # in the widest of these fonts
MONO = "'DejaVu Sans Mono', Menlo, Consolas, monospace"
SANS = "'DejaVu Sans', Verdana, sans-serif"  # equally wide, so that what is wrapped for the first fits in the second
POINTS_PER_PX, PX_PER_IN = 0.75, 96
LONGEST = 300  # letters of a name
BOLD = 1.12  # how much wider bold text is
IMPORT = "import "  # how names of import spans begin; their colour says it in the drawing

COLOURS = {"main": BLUE, "inspect": PURPLE, "api": YELLOW, "engine": GREEN, "worker": ORANGE}
ROLE_WHITE, SPAN_WHITE, IMPORT_WHITE = 0.3, 0.5, 0.78  # share of white: black text can be read on each


@dataclass(frozen=True, slots=True)
class Placed:
    """A frame that is wide enough to be drawn."""

    frame: Frame
    depth: int
    x_px: float
    width_px: float


def layout(root: Frame) -> tuple[list[Placed], int]:
    """The frames to draw, and the ns in frames that are too narrow to be."""
    scale = INNER_PX / max(root.ns, 1)
    placed: list[Placed] = []
    narrow_ns = 0
    waiting = [(root, 0, 0)]
    while waiting:  # no recursion: the depth is the file's
        around, depth, begin_ns = waiting.pop()
        for frame in around.inside.values():
            if frame.ns * scale >= MIN_PX:
                placed.append(Placed(frame, depth, MARGIN_PX + begin_ns * scale, frame.ns * scale))
                waiting.append((frame, depth + 1, begin_ns))
            else:
                narrow_ns += frame.ns
            begin_ns += frame.ns
    return sorted(placed, key=lambda p: (p.depth, p.x_px)), narrow_ns


def flame_svg(parts: Partition, title: str, facts: list[str]) -> str:
    """The drawing of one start; ``title`` and ``facts`` (whose start it is) stand above it."""
    root = stacks(parts)
    placed, narrow_ns = layout(root)
    how = (
        f"Width = seconds on the critical path from exec, {parts.ready_s:.2f} s in all. Same stacks in the same role "
        "are merged and stand in order of first appearance: left to right is not time. "
        f"Frames under {MIN_PX / INNER_PX * parts.ready_s:.3f} s are not drawn; together they are "
        f"{narrow_ns / 1e9:.2f} s ({_percent(narrow_ns, root.ns)})."
    )
    head, y_px = _head(title, [*facts, how])
    head += _legend(list(root.inside), y_px + 8, INNER_PX / max(parts.ready_s, 1e-9))
    top_px = y_px + 32
    height_px = round(top_px + ROW_PX * (1 + max((p.depth for p in placed), default=0)) + MARGIN_PX)
    size = f'width="{WIDTH_PX}" height="{height_px}" viewBox="0 0 {WIDTH_PX} {height_px}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{MONO}" font-size="{FRAME_PX}">'
    body = [element for p in placed for element in _frame(p, top_px, root.ns)]
    return "\n".join([opening, '<rect width="100%" height="100%" fill="#ffffff"/>', *head, *body, "</svg>", ""])


def _head(title: str, facts: list[str]) -> tuple[list[str], float]:
    """Title and facts as lines that fit, and the foot of the last one."""
    lines = [(line, TITLE_PX, "bold") for line in wrap(title, TITLE_PX * POINTS_PER_PX * BOLD, INNER_PX / PX_PER_IN)]
    for fact in facts:
        lines += [(line, FACT_PX, "normal") for line in wrap(fact, FACT_PX * POINTS_PER_PX, INNER_PX / PX_PER_IN)]
    elements, y_px = [], 4.0
    for line, size_px, weight in lines:
        y_px += 1.5 * size_px
        font = f'font-family="{SANS}" font-size="{size_px}" font-weight="{weight}"'
        elements.append(_text(MARGIN_PX, y_px, line, font))
    return elements, y_px


def _frame(placed: Placed, top_px: float, total_ns: int) -> Iterator[str]:
    frame, y_px = placed.frame, top_px + ROW_PX * placed.depth
    seconds = f"{frame.ns / 1e9:.2f} s"
    told = [f"{frame.role}: {frame.name}", f"{frame.ns / 1e9:.3f} s, {_percent(frame.ns, total_ns)}"]
    told += [f"own time {ns / 1e9:.3f} s: {leaf}" for leaf, ns in sorted(frame.own_ns.items(), key=lambda i: -i[1])]
    box = f'x="{placed.x_px:.2f}" y="{y_px:.1f}" width="{placed.width_px:.2f}" height="{ROW_PX}"'
    yield f"<g><title>{'&#10;'.join(escape(printable(line, LONGEST)) for line in told)}</title>"
    edge = ' stroke="#ffffff" stroke-width="0.5"' if placed.width_px > 2 else ""  # it would cover a narrower one
    yield f'<rect {box} fill="{_colour(placed)}"{edge}/>'
    text = _fitting(frame.name.removeprefix(IMPORT), seconds, int((placed.width_px - 5) / LETTER_PX))
    if text:
        style = 'fill="#ffffff"' if frame.name == UNATTRIBUTED else ""
        yield _text(placed.x_px + 3, y_px + ROW_PX - 4.5, text, 'font-weight="bold"' if placed.depth == 0 else style)
    yield "</g>"


def _colour(placed: Placed) -> str:
    if placed.frame.name == UNATTRIBUTED:
        return BLACK
    white = IMPORT_WHITE if placed.frame.name.startswith(IMPORT) else SPAN_WHITE if placed.depth else ROLE_WHITE
    return str(to_hex(tint(COLOURS.get(placed.frame.role, GREY), white)))


def _fitting(name: str, seconds: str, letters: int) -> str:
    """As much of the name, and its seconds, as fit; nothing where too little would be left to tell names apart."""
    name = "".join(
        character if character.isascii() else "?" for character in printable(name, LONGEST)
    )  # others may be wider
    if len(name) + 1 + len(seconds) <= letters:
        return f"{name} {seconds}"
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1]}…" if letters >= 4 else ""


def _legend(roles: list[str], y_px: float, px_per_s: float) -> Iterator[str]:
    """A box per colour, and how wide a second is."""
    boxes = [(UNATTRIBUTED, BLACK)]
    for role in roles:
        colour = COLOURS.get(role, GREY)
        boxes += [(f"{role}: spans", to_hex(tint(colour, SPAN_WHITE)))]
        boxes += [(f"{role}: imports", to_hex(tint(colour, IMPORT_WHITE)))]
    x_px = float(MARGIN_PX)
    for name, colour in (*boxes[1:], boxes[0]):
        yield f'<rect x="{x_px:.1f}" y="{y_px:.1f}" width="11" height="11" fill="{colour}"/>'
        yield _text(x_px + 15, y_px + 9, name)
        x_px += 15 + LETTER_PX * len(name) + 16
    if x_px + 60 + px_per_s < WIDTH_PX - MARGIN_PX:
        end_px = WIDTH_PX - MARGIN_PX
        ruler = f"M{end_px - px_per_s:.1f} {y_px + 1:.1f}v9m0 -4.5H{end_px}m0 -4.5v9"
        yield f'<path d="{ruler}" stroke="#000000" fill="none"/>'
        yield _text(end_px - px_per_s - 24, y_px + 9, "1 s")


def _text(x_px: float, y_px: float, text: str, style: str = "") -> str:
    return f'<text x="{x_px:.2f}" y="{y_px:.1f}" {style}>{escape(printable(text))}</text>'


def _percent(ns: int, total_ns: int) -> str:
    return f"{100 * ns / max(total_ns, 1):.1f} %"
