"""The figures' font for a page that loads nothing: the characters that its drawings use, inside the style sheet."""

import base64
import io
from collections.abc import Iterable

from fontTools import subset  # type: ignore[import-untyped]  # of matplotlib, which embeds fonts with it
from matplotlib.font_manager import FontProperties, findfont

FAMILY = "DejaVu Sans"  # of harness.show.style: the drawings' layout is measured with it


def font_faces(texts: Iterable[str]) -> str:
    """``@font-face`` rules for both weights with the glyphs of ``texts``; empty for no text."""
    characters = sorted({ord(character) for text in texts for character in text})
    if not characters:
        return ""
    return "\n".join(
        f'@font-face{{font-family:"{FAMILY}";font-weight:{number};font-display:block;'
        f"src:url(data:font/woff;base64,{_subset(weight, characters)}) format('woff')}}"
        for weight, number in (("normal", 400), ("bold", 700))
    )


def _subset(weight: str, characters: list[int]) -> str:
    options = subset.Options(
        flavor="woff", hinting=False, layout_features=["kern"], recalc_timestamp=False, drop_tables=["FFTM", "GSUB"]
    )
    content = io.BytesIO()
    with subset.load_font(findfont(FontProperties(family=FAMILY, weight=weight)), options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=characters)
        subsetter.subset(font)
        subset.save_font(font, content, options)
    return base64.b64encode(content.getvalue()).decode("ascii")
