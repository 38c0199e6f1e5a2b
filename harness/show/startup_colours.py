"""Which colour and pattern each block of a stacked start-up gets: hue = kind of work, shade and pattern = which one."""

from dataclasses import dataclass

from harness.analyse.phases import COMPILE_LEAVES, GROUPS, PER_PROCESS_LEAVES, UNATTRIBUTED
from harness.show.style import BLACK, BLUE, GREEN, GREY, HATCHES, ORANGE, PURPLE, SKY, YELLOW, tint

Colour = tuple[float, float, float]

# Steps of the paper that are no leaf here.
_PAPER_BOOTSTRAP = ("llm_imports", "get_model_info", "worker_init")

# hue → leaves; the first that holds a leaf decides.
_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (BLACK, (UNATTRIBUTED,)),
    (BLUE, tuple(PER_PROCESS_LEAVES)),
    (SKY, ("launcher", *GROUPS["framework_bootstrap"], *_PAPER_BOOTSTRAP)),
    (GREEN, (*GROUPS["model_loading"], "weight_postprocess")),
    (ORANGE, ("dynamo_transform_time", *COMPILE_LEAVES)),
    (PURPLE, GROUPS["init_engine"]),
)
_OTHER = YELLOW  # tokenizer, renderer, scheduler, server …
_LIGHTEST = 0.65  # share of white in a family's last shade


@dataclass(frozen=True)
class Look:
    """Fill colour and hatch pattern of one block."""

    colour: Colour
    hatch: str


def looks(names: list[str]) -> list[Look]:
    """A look for each block, in the given order; blocks of one family differ in shade and in hatch."""
    hues = [_hue(name) for name in names]
    out = []
    for at, hue in enumerate(hues):
        nth, of = hues[:at].count(hue), hues.count(hue)
        white = _LIGHTEST * nth / max(of - 1, 1)
        out.append(Look(tint(hue, white), HATCHES[nth % len(HATCHES)] if hue != BLACK else ""))
    return out


def _hue(name: str) -> str:
    base = name.split(":")[0]
    if " " in name:  # a merged block is no leaf
        return GREY
    return next((hue for hue, leaves in _FAMILIES if base in leaves), _OTHER)
