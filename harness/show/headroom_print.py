"""What the head-room figure prints: each search at its best against none, and the study's findings in sentences."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.analyse.headroom_agreement import Tiers, agreement
from harness.analyse.headroom_choice import RULE, Chosen, best, normalised, pareto_front
from harness.analyse.headroom_findings import PREEMPTIONS, THROUGHPUT, TTFT, never_binding, verdict
from harness.analyse.headroom_series import Group, Points, Setting, groups_of, of_search
from harness.analyse.paired import Paired, paired
from harness.record.headroom_tables import FORESEEING, NAIVE, NONE, PREDICTED, PROBABILISTIC, SEARCHES, TARGET


def findings_tables(points: Points) -> Iterator[Table]:
    """One table a workload, model and mode: every search at its best parameter against none."""
    for group in groups_of(points):
        base = points[Setting(group, NONE, 0.0)]
        only = paired(base.get(PREEMPTIONS, {}), base.get(PREEMPTIONS, {}))
        title = f"{_named(group)}: against none"
        if only:
            title += f" ({only.b_mean:,.1f} preemptions), n={only.n} seed{'' if only.n == 1 else 's'}"
        yield _table(points, group, title)


def _table(points: Points, group: Group, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("best of")
    for name in ("at", "left", "change", "throughput, %", "TTFT p50, %"):
        table.add_column(name, justify="right")
    base = points[Setting(group, NONE, 0.0)]
    for search in SEARCHES:
        found = best(points, group, search) if search != NONE else None
        if found:
            preempted, output, waited = (
                paired(base.get(metric, {}), found.metrics.get(metric, {}))
                for metric in (PREEMPTIONS, THROUGHPUT, TTFT)
            )
            left = f"{preempted.b_mean:,.1f}" if preempted else "–"
            cells = (f"{found.parameter:g}", left, _difference(preempted), _percent(output), _percent(waited, "+.0f"))
            table.add_row(Text(search), *map(Text, cells))
    return table


def sentences(points: Points, tiers: Tiers) -> Iterator[Text]:
    """How the best was chosen, verdicts on what foresees, targets that never bind, and how real the simulator is."""
    groups = groups_of(points)
    chosen = [found for group in groups for search in SEARCHES if (found := best(points, group, search))]
    held_out = all(found.held_out for found in chosen)
    how = (
        "chosen on the other seeds and reported on the one left out" if held_out else "chosen and reported on all seeds"
    )
    yield Text(
        f"Best: {RULE}; {how}. at: what all seeds together would choose; left: preemptions; change: theirs, as the per "
        "cents, against none; ± and []: 95 % intervals over the paired seeds."
    )
    for group in groups:
        yield from map(Text, _verdicts(points, group))
    yield from map(Text, _fronts(points, groups))
    yield from map(Text, _not_binding(points, groups))
    yield Text(real_sentence(tiers))


def _verdicts(points: Points, group: Group) -> Iterator[str]:
    """What foresees against the best factor, each at its best."""
    naive = best(points, group, NAIVE)
    for search in FORESEEING:
        found = best(points, group, search)
        if naive and found:
            yield f"{_named(group)}: {_against(found, naive, f'the best factor (o={naive.parameter:g})')}"
    unpredicted, predicted = (best(points, group, search) for search in (PROBABILISTIC, PREDICTED))
    if unpredicted and predicted:
        other = f"the same without predictions (z={unpredicted.parameter:g})"
        yield f"{_named(group)}: {_against(predicted, unpredicted, other)}"


def _against(found: Chosen, other: Chosen, named: str) -> str:
    judged = verdict(other.metrics, found.metrics)
    preempted, output = (
        paired(other.metrics.get(metric, {}), found.metrics.get(metric, {})) for metric in (PREEMPTIONS, THROUGHPUT)
    )
    text = f"{found.search} (z={found.parameter:g}) against {named}: {judged}"
    shown = []
    if preempted and preempted.sign:
        shown.append("fewer preemptions" if preempted.sign < 0 else "more preemptions")
    if output and output.sign_of_ratio:
        shown.append("more throughput" if output.sign_of_ratio > 0 else "less throughput")
    text += f" ({', '.join(shown)}{'' if len(shown) == 2 else ' alone'})" if shown else ""
    n = preempted.n if preempted else 0
    return f"{text}; preemptions {_difference(preempted)}, throughput {_percent(output)} %, n={n}."


def _fronts(points: Points, groups: Sequence[Group]) -> Iterator[str]:
    """Whose settings no other beats."""
    for group in groups:
        marks = normalised(points, group)
        front = set(pareto_front(mark.at for mark in marks))
        on_it = [mark.setting for mark in marks if mark.at in front]
        told = [
            f"{search} {', '.join(f'{each.parameter:g}' for each in mine)}" if search != NONE else search
            for search in SEARCHES
            if (mine := sorted(setting for setting in on_it if setting.search == search))
        ]
        if told:
            yield f"{_named(group)}: on the Pareto front preemptions–throughput: {'; '.join(told)}."


def _not_binding(points: Points, groups: Sequence[Group]) -> Iterator[str]:
    for search in (TARGET, NAIVE):
        idle = never_binding(points, search)
        for group in groups:
            all_of = of_search(points, group, search)
            mine = [setting.parameter for setting in idle if setting.group == group and setting.parameter > 0]
            if mine:
                which = "all" if len(mine) == len(all_of) else ", ".join(f"{each:g}" for each in mine)
                yield (
                    f"{_named(group)}: {search} {which} never binds "
                    f"({len(mine)} of {len(all_of)} points are identical to none in every number)."
                )


def real_sentence(tiers: Tiers) -> str:
    """What the simulator is worth."""
    found = agreement(tiers)
    if not found.compared and not found.throughput_errors:
        return "Simulated only: this slot has no point of the real engine."
    parts = []
    if found.compared:
        parts.append(f"by step, {found.equal} of {found.compared} points have all counts equal")
        if worst := max(found.unequal, key=lambda both: abs(both.simulated - both.real), default=None):
            group = worst.setting.group
            parts[-1] += (
                f" (furthest: {worst.metric} {worst.simulated:g} against {worst.real:g}, {group.workload}, "
                f"{worst.setting.search} {worst.setting.parameter:g})"
            )
    for clock, errors in (
        ("clock", found.throughput_errors),
        ("clock, at the pace of the other points", found.paced_errors),
    ):
        if errors:
            within = sum(abs(error) <= 0.05 for error in errors)
            parts.append(
                f"by the {clock}, throughput is within 5 % in {within} of {len(errors)} ({min(errors):+.1%} to "
                f"{max(errors):+.1%})"
            )
    return f"Simulated against real: {'; '.join(parts)}."


def _named(group: Group) -> str:
    return f"{group.workload}, {group.model}, {group.mode}"


def _difference(found: Paired | None) -> str:
    if found is None:
        return "–"
    return f"{found.difference:+,.1f}" + (f" ± {found.half_width:,.1f}" if found.half_width is not None else "")


def _percent(found: Paired | None, form: str = "+.1f") -> str:
    """The ratio as a change in per cent."""
    if found is None or found.ratio is None:
        return "–"
    middle, *bounds = (f"{100 * (ratio - 1):{form}}" for ratio in (found.ratio, *(found.ratio_interval or ())))
    return f"{middle} [{', '.join(bounds)}]" if bounds else middle
