"""How every figure looks and is saved: readable in print, safe for colour-blind readers, same data → same bytes."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.image import imread, imsave
from matplotlib.textpath import text_to_path

from harness.errors import HarnessError
from harness.record.plain import printable

# Okabe and Ito's palette, told apart by readers with any of the common colour-vision deficiencies.
BLUE, SKY, GREEN, ORANGE, YELLOW, PURPLE = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#F0E442", "#CC79A7"
VERMILLION, BLACK, GREY = "#D55E00", "#000000", "#C8C8C8"
# Patterns tell apart neighbours that share a hue.
HATCHES = ("", "/////", ".....", "\\\\\\\\\\", "xxxxx", "-----")

COLUMN_IN = 3.5  # width of one column of a two-column paper, inches: figures are drawn at the size they are printed
FONT_PT = 6.5
_EM, _KERNING = 100.0, 0.1  # size at which glyphs are measured; what kerning changes of a text's width, at most
SMALLEST_PT = 6.0  # smaller text is not read in print

_RC: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same glyphs on every machine
    "font.size": FONT_PT,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": SMALLEST_PT,
    "ytick.labelsize": SMALLEST_PT,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "patch.linewidth": 0.4,
    "hatch.linewidth": 0.35,
    "text.parse_math": False,  # a $ in a model's name is a $
    "pdf.fonttype": 42,  # embed TrueType: text stays text
    "svg.hashsalt": "figure",
    "savefig.dpi": 300,
    "figure.dpi": 100,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this context; nothing of the user's own matplotlib settings reaches the figure."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def save(figure: Figure | Sequence[Figure], folder: Path, name: str) -> list[Path]:
    """Write ``name``.pdf and ``name``.png into ``folder``, each at once; returns their paths.

    Several figures of one width are the pages of the PDF, and stand below each other in the PNG.

    Raises:
        HarnessError: the folder cannot be written.
    """
    paths = []
    pages = [figure] if isinstance(figure, Figure) else list(figure)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, write in (("pdf", _write_pdf), ("png", _write_png)):
            path = folder / f"{name}.{suffix}"
            unfinished = folder / f".{name}.{os.getpid()}.{suffix}"
            try:
                with style():
                    write(pages, unfinished)
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
            paths.append(path)
    except OSError as error:
        raise HarnessError(f"{folder}: cannot write {name}: {error.strerror}; name another folder with --out") from None
    return paths


def _write_pdf(pages: Sequence[Figure], path: Path) -> None:
    with PdfPages(path, metadata={"CreationDate": None}) as document:
        for page in pages:
            document.savefig(page)


def _write_png(pages: Sequence[Figure], path: Path) -> None:
    if len(pages) == 1:
        pages[0].savefig(path, format="png", metadata={"Software": None})
        return
    images = []
    for page in pages:
        image = io.BytesIO()
        page.savefig(image, format="png")
        images.append(imread(io.BytesIO(image.getvalue())))
    imsave(path, np.vstack(images), format="png", dpi=_RC["savefig.dpi"], metadata={"Software": None})  # type: ignore[dict-item]


@cache
def _glyphs() -> frozenset[int]:
    """Characters of the font in both weights: its bold has fewer."""
    fonts = (findfont(FontProperties(family=_RC["font.family"], weight=weight)) for weight in ("normal", "bold"))
    return frozenset.intersection(*(frozenset(get_font(font).get_charmap()) for font in fonts))


def drawable(text: str, limit: int = 2000) -> str:
    """``text`` as one line in characters that the figures' font has, at most ``limit`` of them; others become ``?``."""
    return "".join(character if ord(character) in _glyphs() else "?" for character in printable(text, limit))


@lru_cache(maxsize=4096)  # captions are measured for their height, then drawn
def text_width_in(text: str, points: float, weight: str = "normal") -> float:
    """Width in inches of one line of text in the figures' font, as printed (no pixels involved)."""
    font = FontProperties(family=_RC["font.family"], size=points, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def fitted(text: str, points: float, width_in: float, weight: str = "normal") -> tuple[str, float]:
    """The drawable text and its size in points: set smaller to be ``width_in`` wide, and cut where that is not enough.

    It is never smaller than ``SMALLEST_PT``.
    """
    text = drawable(text)
    points = max(SMALLEST_PT, points * min(1, width_in / max(text_width_in(text, points, weight), 1e-3)))
    cut = text
    while len(cut) > 1 and text_width_in(cut, points, weight) > 1.001 * width_in:  # widths have rounding errors
        text = text[:-1]
        cut = f"{text}…"
    return cut, points


def wrap(text: str, points: float, width_in: float) -> list[str]:
    """The drawable text as lines of at most ``width_in`` inches, broken at spaces, and in words that are longer."""
    lines: list[str] = []
    for word in drawable(text).split():
        while not _fits(word, points, width_in):
            fits = max(1, int(len(word) * width_in / text_width_in(word, points)) - 1)
            lines.append(word[:fits])
            word = word[fits:]
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _fits(longer, points, width_in):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fits(text: str, points: float, width_in: float) -> bool:
    """Whether the text is at most ``width_in`` wide; laid out only where its glyphs' own widths leave a doubt."""
    rough_in = points / 72 * sum(map(_advance_em, text))
    doubtful = abs(rough_in - width_in) <= _KERNING * rough_in + points / 72
    return text_width_in(text, points) <= width_in if doubtful else rough_in <= width_in


@cache
def _advance_em(character: str) -> float:
    """How far a glyph of the figures' font moves the next one, in units of its size, before kerning."""
    font = get_font(findfont(FontProperties(family=_RC["font.family"])))
    font.set_size(_EM, 72)
    return float(font.load_char(ord(character), flags=LoadFlags.NO_HINTING).linearHoriAdvance) / 65536 / _EM


def tint(colour: str, white: float) -> tuple[float, float, float]:
    """``colour`` mixed with ``white`` (0…1) of white."""
    red, green, blue = mpl.colors.to_rgb(colour)
    return (red + (1 - red) * white, green + (1 - green) * white, blue + (1 - blue) * white)
