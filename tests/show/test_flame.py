import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from harness.analyse.partition import Partition, partition
from harness.analyse.phases import ROLES
from harness.analyse.spans import read_processes
from harness.analyse.stacks import Frame, stacks
from harness.show.flame import COLOURS, INNER_PX, LETTER_PX, MARGIN_PX, MIN_PX, WIDTH_PX, flame_svg, layout
from tests.analyse.span_files import Line, importing, process_trees, span, write_process

MS = 1_000_000
SVG = "{http://www.w3.org/2000/svg}"
TITLE, FACTS = "Where the time goes", ["vLLM 0.0.0; run s1/1"]


def parts_of(folder: Path, spans: list[Line], ready_ms: int = 1000) -> Partition:
    lines = [{**s, "begin_ns": s["begin_ns"] * MS, "end_ns": s["end_ns"] and s["end_ns"] * MS} for s in spans]
    write_process(folder, 7, "main", 0, 0, lines)
    return partition(read_processes(folder), 7, 0, ready_ms * MS)


def drawing(parts: Partition, title: str = TITLE, facts: list[str] = FACTS) -> ET.Element:
    return ET.fromstring(flame_svg(parts, title, facts))


def drawn(svg: ET.Element) -> dict[str, tuple[float, str, str]]:
    """First line of each frame's tooltip → width, text in it, whole tooltip."""
    found = {}
    for group in svg.iter(f"{SVG}g"):
        title, rect, text = (group.find(f"{SVG}{tag}") for tag in ("title", "rect", "text"))
        assert title is not None
        assert rect is not None
        tooltip = title.text or ""
        inside = (text.text or "") if text is not None else ""
        found[tooltip.split("\n")[0]] = (float(rect.get("width", "")), inside, tooltip)
    return found


def all_frames(frame: Frame) -> Iterator[Frame]:
    yield frame
    for inner in frame.inside.values():
        yield from all_frames(inner)


@settings(deadline=None, max_examples=40)
@given(tree=process_trees())
def test_every_frame_is_as_long_as_its_own_time_and_the_frames_inside_it(tree: list[dict[str, Any]]):
    with tempfile.TemporaryDirectory() as folder:
        for arguments in tree:
            write_process(Path(folder), **arguments)
        processes = read_processes(Path(folder))
    exec_ns = tree[0]["exec_ns"]
    parts = partition(processes, tree[0]["pid"], exec_ns, exec_ns + 350)
    root = stacks(parts)
    found = list(all_frames(root))
    assert root.ns == 350
    for frame in found:
        assert frame.ns == sum(frame.own_ns.values()) + sum(inner.ns for inner in frame.inside.values())
    for leaf, seconds in parts.phases.items():
        assert sum(frame.own_ns.get(leaf, 0) for frame in found) == round(seconds * 1e9)
    for role, leaves in parts.by_process.items():
        assert root.inside[role].ns == round(sum(leaves.values()) * 1e9)
    order = [role for role in ROLES if role in root.inside]
    assert list(root.inside) == order
    placed, narrow_ns = layout(root)
    assert narrow_ns == 0  # a nanosecond of 350 is wide enough
    assert len(placed) == len(found) - 1


def test_frames_with_the_same_stack_are_one_and_others_with_the_same_name_are_not(tmp_path: Path):
    spans = [
        span("warm_up", 0, 200, phase="warmup"),
        importing("torch", 50, 100),
        importing("torch", 300, 400),
        span("warm_up", 400, 700, phase="warmup"),
        importing("torch", 500, 600),
    ]
    main = stacks(parts_of(tmp_path, spans)).inside["main"]
    assert {name: frame.ns // MS for name, frame in main.inside.items()} == {
        "warm_up": 500,
        "unattributed": 400,
        "import torch": 100,
    }
    warm_up = main.inside["warm_up"]
    assert warm_up.own_ns == {"warmup": 350 * MS}
    assert warm_up.inside["import torch"].own_ns == {"imports:main": 150 * MS}


def test_widths_are_seconds_and_tooltips_name_the_leaf(tmp_path: Path):
    spans = [span("serve", 0, 900, "container"), span("load", 0, 500, phase="load_weights"), importing("a.b", 100, 350)]
    found = drawn(drawing(parts_of(tmp_path, spans)))
    widths = {name: round(width / INNER_PX, 3) for name, (width, _, _) in found.items()}
    assert widths["main: main"] == 1
    assert widths["main: serve"] == 0.9
    assert widths["main: load"] == 0.5
    assert widths["main: import a.b"] == 0.25
    assert found["main: load"][1:] == ("load 0.50 s", "main: load\n0.500 s, 50.0 %\nown time 0.250 s: load_weights")
    assert found["main: import a.b"][1] == "a.b 0.25 s"
    assert "own time 0.250 s: imports:main" in found["main: import a.b"][2]


def test_time_that_no_hook_explains_is_black_with_white_letters(tmp_path: Path):
    svg = drawing(parts_of(tmp_path, [span("serve", 0, 1000, "container"), span("load", 0, 500, phase="warmup")]))
    black = [group for group in svg.iter(f"{SVG}g") if group.find(f"{SVG}rect[@fill='#000000']") is not None]
    assert [group.findtext(f"{SVG}text") for group in black] == ["unattributed 0.50 s"]
    assert [text.get("fill") for group in black for text in group.iter(f"{SVG}text")] == ["#ffffff"]


def test_what_is_too_narrow_is_not_drawn_and_its_seconds_are_told(tmp_path: Path):
    narrow = [span(f"s{n}", n, n + 1, phase="config") for n in range(0, 100, 2)]
    parts = parts_of(tmp_path, [*narrow, span("inside", 0, 1, phase="config"), span("wide", 200, 9000)], ready_ms=10000)
    assert MIN_PX > 1 / 10000 * INNER_PX
    svg = drawing(parts)
    assert not [name for name in drawn(svg) if name.startswith(("main: s", "main: inside"))]
    told = " ".join(text.text or "" for text in svg.iter(f"{SVG}text"))
    assert "Frames under 0.002 s are not drawn; together they are 0.05 s (0.5 %)." in told


def test_text_stays_inside_its_frame_and_the_drawing_inside_its_page(tmp_path: Path):
    spans = [importing("torch._inductor." + "x" * (4 * n), 10 * n, 10 * n + 3 + n // 3) for n in range(90)]
    svg = drawing(parts_of(tmp_path, spans))
    width, height = (float(svg.get(key, "")) for key in ("width", "height"))
    for group in svg.iter(f"{SVG}g"):
        rect, text = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        assert rect is not None
        x, y, w, h = (float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
        assert x >= MARGIN_PX
        assert x + w <= WIDTH_PX - MARGIN_PX + 0.1 <= width
        assert y + h <= height
        if text is not None:
            assert float(text.get("x", "")) + LETTER_PX * len(text.text or "") <= x + w


def test_names_from_anywhere_cannot_break_the_document(tmp_path: Path):
    evil = '</title><script>alert("1")</script>&\x00\x1b[31m\ud800\u202e'
    parts = parts_of(tmp_path, [span(evil.replace("\ud800", ""), 0, 4000, phase="config")], ready_ms=5000)
    svg = drawing(parts, title=evil, facts=[evil * 20])
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {"svg", "rect", "text", "g", "title", "path"}
    assert any('</title><script>alert("1")</script>&' in name for name in drawn(svg))
    text = flame_svg(parts, evil, [])
    assert not re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\u202e]", text)


def test_a_drawing_needs_nothing_from_elsewhere_and_says_whose_start_it_is(tmp_path: Path):
    text = flame_svg(parts_of(tmp_path, [span("load", 0, 500)]), TITLE, FACTS)
    assert not re.search(r"href|url\(|<script|@import|<image|<style", text)
    told = " ".join(e.text or "" for e in ET.fromstring(text).findall(f"{SVG}text"))
    assert told.startswith(f"{TITLE} {FACTS[0]} Width = seconds on the critical path from exec, 1.00 s in all.")
    assert {"main: spans", "main: imports", "unattributed"} <= set(re.findall(r">([^<>]+)</text>", text))
    assert "engine: spans" not in text


def test_a_stack_of_any_depth_can_be_drawn(tmp_path: Path):
    parts = parts_of(tmp_path, [span(f"f{n}", n, 5000 - n, "container") for n in range(1500)], ready_ms=5000)
    assert "main: f1499" in drawn(drawing(parts))


def test_every_process_of_an_engine_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(ROLES)
    assert len(set(COLOURS.values())) == len(ROLES)
