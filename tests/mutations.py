"""JSON documents with something wrong in them: what a damaged disk, another program or a stranger makes of a file."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

# Values that trip readers up. A raw text is written into the file as it stands.
RAW = (
    "NaN",
    "-Infinity",
    "1e999",
    "1" * 5000,
    "-0",
    '"\\ud800"',
    '"\\u0000"',
    "[" * 50 + "]" * 50,
    "[" * 5000,
    '"a',
    "",
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([2**31, 2**63, -(2**63), 1e308, -1.5, 0.5])
    | st.sampled_from(["", "x", "../..", "\x1b[2J", "a\nb", "[red]", "$x^2$", "\u202e", "x" * 20_000, "s1", "1", "ok"])
    | st.sampled_from([[], {}, [[]], [{}], {"a": 1}, {"": {}}, [1, "a", None], {"holds": True}])
)
_HOLE = "@@hole@@"


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in a document but itself."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [found for key, item in items for found in ((*path, key), *_places(item, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> str:
    """The text of ``document`` with one to three places deleted, replaced, doubled, or written as no JSON has it."""
    mutant = deepcopy(document)
    raw = ""
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        places = _places(mutant)
        if not places:
            break
        # Top-level fields are few among all places, and matter most.
        path = draw(st.sampled_from([place for place in places if len(place) == 1]) | st.sampled_from(places))
        parent = mutant
        for key in path[:-1]:
            parent = parent[key]
        action = draw(st.sampled_from(("replace", "replace", "delete", "add", "swap", "raw")))
        if action == "delete":
            del parent[path[-1]]
        elif action == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(["", "more", "\x1b", "x" * 5000]))] = deepcopy(draw(VALUES))
        elif action == "add":
            parent.append(deepcopy(draw(VALUES)))
        elif action == "swap" and isinstance(parent, dict):
            other = draw(st.sampled_from(sorted(parent)))
            parent[path[-1]], parent[other] = parent[other], parent[path[-1]]
        elif action == "raw" and not raw:
            parent[path[-1]], raw = _HOLE, draw(st.sampled_from(RAW))
        else:
            parent[path[-1]] = deepcopy(draw(VALUES))
    return json.dumps(mutant).replace(f'"{_HOLE}"', raw, 1) if raw else json.dumps(mutant)
