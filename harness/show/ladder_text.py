"""What the ladder says in words: what to keep first, the sum of the steps, what is missing, how it was measured."""

from harness.analyse.ladder import INTERACTION, Ladder, Seconds
from harness.analyse.rungs import EVERYTHING, NOTHING, Rungs
from harness.show.caption import INTERVAL
from harness.show.state_text import level

_NAMES = {"storage": "weights"}


def name(key: str) -> str:
    """A state or kind as people call it."""
    return _NAMES.get(key, key.replace("_", " "))


def starts_printed(found: Ladder) -> dict[str, int]:
    """Each state's mean in hundredths of a second."""
    return {key: round(100 * each.ready.mean) for key, each in found.starts.items()}


def saved_printed(found: Ladder) -> dict[str, int]:
    """What is saved, as in ``Ladder.saved``, in hundredths: of the printed means, so that what is printed adds up."""
    starts = starts_printed(found)
    out = {kind: starts[NOTHING] - starts[kind] for kind in found.steps}
    if found.total:
        total = starts[NOTHING] - starts[EVERYTHING]
        out |= {INTERACTION: total - sum(out.values())} if found.interaction else {}
        out[EVERYTHING] = total
    return out


def amount(hundredths: int) -> str:
    """``−3.20``"""
    return f"{'−' if hundredths < 0 else ''}{abs(hundredths) / 100:.2f}"


def spread(half_width: float | None) -> str:
    """``± 0.61``; empty where there is no interval."""
    return f" ± {half_width:.2f}" if half_width is not None else ""


def share(found: Ladder, seconds: Seconds) -> str:
    """Of the start that keeps nothing."""
    whole = found.starts[NOTHING].ready.mean
    return f"{round(100 * seconds.seconds / whole)} %".replace("-", "−") if whole else "–"


def first(found: Ladder) -> str:
    """What to keep first, as far as the intervals tell."""
    if any(kind not in found.steps for kind in found.kinds):
        return "Which kind to keep first is open: a state is missing."
    best, *others = found.ranked
    step = found.steps[best].start
    if step.half_width is None:
        return f"Keep first: {name(best)}, as far as single starts tell."
    if not step.is_clear or step.seconds <= 0:
        return "No kind alone shortens the start by more than its interval."
    if others and found.lead and not found.lead.is_clear:
        return f"Keep first: {name(best)} or {name(others[0])} (their difference is within its interval)."
    return f"Keep first: {name(best)}."


def each_alone(found: Ladder) -> str:
    """What each kind saves alone, the largest first."""
    if not found.ranked:
        return "No kind can be compared yet."
    numbers = saved_printed(found)
    each = [
        f"{name(kind)} {amount(numbers[kind])}{spread(step.half_width)} s ({share(found, step)})"
        for kind, step in ((kind, found.steps[kind].start) for kind in found.ranked)
    ]
    return f"Kept alone, they save: {', '.join(each)}; %: of the start that keeps nothing."


def sum_line(found: Ladder) -> str:
    """``nothing 95.13 − everything 38.02 = 57.11 s = 41.20 (compile cache) + … − 3.20 (interaction)``; or why not."""
    starts, saved = starts_printed(found), saved_printed(found)
    if INTERACTION not in saved:
        return f"No sum: no measured start counts of {', '.join(name(key) for key in found.missing)}."
    terms = [(saved[key], name(key)) for key in (*found.ranked, INTERACTION)]
    line = " ".join(f"{'−' if value < 0 else '+'} {amount(abs(value))} ({what})" for value, what in terms)
    ends = f"nothing {amount(starts[NOTHING])} − everything {amount(starts[EVERYTHING])}"
    return f"{ends} = {amount(saved[EVERYTHING])} s = {line.removeprefix('+ ')}"


def kept_or_not(rungs: Rungs) -> str:
    """What the states are."""
    bottom, top = (rungs.states[key].declared() for key in (NOTHING, EVERYTHING))
    each = (f"{name(kind)} {level(top[kind])} / {level(bottom[kind])}" for kind in rungs.kinds)
    return f"Kept / not kept: {', '.join(each)}."


def how_compared(found: Ladder) -> list[str]:
    """Sentences: where the intervals of the differences come from, and what the interaction is."""
    if not found.steps:
        return []
    out = []
    if any(each.ready.n > 1 for each in found.starts.values()):
        how = "differences within rounds of starts" if found.paired else "Welch's, of starts that are not paired"
        out.append(f"± of what is saved: {INTERVAL.removesuffix(' of the mean')}, {how}.")
    if found.interaction:
        out.append("Interaction: what all kinds together save beyond the sum of what each saves alone.")
    return out
