"""A drawing as SVG inside an HTML page: it follows the page's theme, and several can stand in one page.

Lines, text and paper become the page's colours; fills stay, because captions name them ("black is time that no hook
explains"), and so does what hatches them. Text stays text: it can be searched, selected and read aloud.
"""

import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.show.style import style

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_TOO_PRECISE = re.compile(r"(?<=\.\d\d)\d+")  # of a point: the page shows a hundredth of it as nothing
_BLACK, _WHITE, _PAINTS = "#000000", "#ffffff", ("fill", "stroke")
_GREY = re.compile(r"#([0-9a-f]{2})\1\1", re.IGNORECASE)

ET.register_namespace("", _SVG)
ET.register_namespace("xlink", _XLINK)


def inline_svg(figure: Figure, prefix: str, label: str) -> str:
    """The drawing as an ``<svg>`` element. ``prefix`` makes its ids its own; ``label`` is what it is called aloud."""
    root = _drawn(figure)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    _own_ids(root, prefix)
    _follow_theme(root, hatch=False)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def texts(svg: str) -> Iterator[str]:
    """The texts of a drawing that ``inline_svg`` made."""
    return ET.fromstring(svg).itertext()


def _drawn(figure: Figure) -> ET.Element:
    content = io.BytesIO()
    with style():
        mpl.rcParams["svg.fonttype"] = "none"
        figure.savefig(content, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return ET.fromstring(content.getvalue())


def _own_ids(root: ET.Element, prefix: str) -> None:
    """Keep the ids that something refers to, under names of this drawing's own."""
    used = {name for element in root.iter() for value in element.attrib.values() for name in _REFERENCE.findall(value)}
    used |= {href[1:] for element in root.iter() if (href := element.get(_HREF, "")).startswith("#")}
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        for name, value in list(element.attrib.items()):
            if name == "id":
                element.set(name, f"{prefix}-{value}")
            elif name == _HREF and value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif name == "d":
                element.set(name, _TOO_PRECISE.sub("", " ".join(value.split())))
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(lambda match: f"url(#{prefix}-{match[1]})", value))


def _follow_theme(element: ET.Element, hatch: bool) -> None:
    """Replace colours without hue below ``element``; ``hatch``: it is part of a pattern, which lies on a fill."""
    hatch = hatch or element.tag == f"{{{_SVG}}}pattern"
    text = element.tag == f"{{{_SVG}}}text"
    fill = element.attrib.pop("fill", None)  # of what lies under a hatch
    css = f"fill:{fill};{element.get('style', '')}" if fill else element.get("style", "")
    if css or text:
        element.set("style", _themed(css, text, hatch))
    for child in element:
        _follow_theme(child, hatch)


def _themed(css: str, text: bool, hatch: bool) -> str:
    found = dict(part.split(":", 1) for part in css.split(";") if ":" in part)
    rules = {name.strip(): value.strip().lower() if name.strip() in _PAINTS else value for name, value in found.items()}
    if text:
        rules.setdefault("fill", _BLACK)
    if not hatch and rules.get("stroke") != _WHITE:  # a white line is the halo of a letter on a fill
        rules |= {"stroke": _ink(rules["stroke"])} if "stroke" in rules else {}
    if "fill" in rules:
        is_paper = rules["fill"] == _WHITE and not hatch
        rules["fill"] = _ink(rules["fill"]) if text or is_paper else _shade(rules["fill"])
    return ";".join(f"{name.strip()}:{value.strip()}" for name, value in rules.items())


def _ink(colour: str) -> str:
    """Black is the page's ink, white its paper, a grey so much of both; a colour stays."""
    grey = _GREY.fullmatch(colour)
    if not grey:
        return colour
    share = round(100 * (1 - int(grey[1], 16) / 255))
    if share in (0, 100):
        return "var(--ink)" if share else "var(--paper)"
    return f"color-mix(in srgb,var(--ink) {share}%,var(--paper))"


def _shade(colour: str) -> str:
    """A fill as strong as the theme wants it; black stays black."""
    shaded = colour.startswith("#") and colour != _BLACK
    return f"color-mix(in srgb,{colour} var(--fill),var(--paper))" if shaded else colour
