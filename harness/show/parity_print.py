"""The lines that ``parity`` prints: a block for each precision, the verdict first, then what it rests on."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.record.plain import printable

_LABEL = 26
_SHOWN = 3  # divergences that are named
_SAID = {
    "identical": "IDENTICAL: the same tokens, log-probabilities within rounding",
    "near ties": "NEAR TIES ONLY: some answers part, each where rounding decides",
    "not decidable": "NOT DECIDABLE: no more than rounding, but rounding is so large that nearly any answer would pass",
    "different": "DIFFERENT: more than rounding explains",
    "failed": "NOT COMPARED",
}


def parity_lines(document: Mapping[str, Any]) -> list[str]:
    """The lines of a call's document."""
    what = "structural twin, random weights" if document["twin"] else "real weights"
    lines = [f"parity of {document['model']} ({what}): vLLM of {document['engine']} against transformers"]
    for each in document["comparisons"]:
        lines += ["", *_block(each)]
    return [printable(line) for line in lines]


def _block(each: Mapping[str, Any]) -> list[str]:
    rows = [(each["dtype"], _SAID[each["verdict"]]), *(("", f"why: {reason}") for reason in each["reasons"])]
    if each["plant"]:
        rows.append(("planted fault", f"{each['plant']['tensor']} × {each['plant']['factor']:g}, in vLLM's copy only"))
    if each["verdict"] != "failed":
        rows += _compared(each)
    rows.append(("stored in", each["run"]))
    return [f"{label:<{_LABEL}}{text}" for label, text in rows]


def _compared(each: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    prompts, positions = each["prompts"], each["positions"]
    written = "chat template" if each["chat"] else "plain text"
    yield "prompts", f"{prompts} puzzles ({written}, seed {each['seed']}), {positions:,} tokens answered"
    share = 100 * each["share_identical"]
    yield "identical answers", f"{each['identical']} of {prompts} ({share:.1f} %)"
    undecided = f"{each['undecided']} not decidable, " if each["undecided"] else ""
    yield "first divergences", f"{each['near_ties']} at near ties, {undecided}{each['faults']} not; {_named(each)}"
    yield "same choice, same prefix", f"{each['agreeing']:,} of {positions:,}"
    yield "max |Δ log p|", f"{_number(each['difference']['largest'])} (median {_number(each['difference']['median'])})"
    noise, error = each["noise"], each["error"]
    yield (
        "rounding noise",
        f"rms {_number(noise['rms'])}, max {_number(noise['largest'])}: transformers in {_two(each)}",
    )
    ratio = "–" if each["ratio"] is None else f"{each['ratio']:.2f}"
    yield "vLLM's error", f"rms {_number(error['rms'])}, max {_number(error['largest'])}: {ratio} × the noise's rms"
    yield "", f"(limit {each['ratio_limit']:g}; a fault below rms {_number(each['detectable'])} would not be seen)"
    times = f"{each['tolerance_in_noises']:g} × the largest noise"
    yield "largest error allowed", f"{_number(each['tolerance'])} = {times}"
    yield "near-tie tolerance", f"{_ties(each['tie_tolerance'])}: {times} of the prompt"
    yield "", f"(smallest top-2 gap met {_number(each['smallest_gap'])})"
    yield "final answers", _finals(each["final_answers"], prompts)


def _ties(tolerance: Mapping[str, float]) -> str:
    """Over all prompts."""
    least, largest, limit = tolerance["least"], tolerance["largest"], tolerance["undecided"]
    said = f"{_number(least)} to {_number(largest)}"
    return said if largest < limit else f"{said} (not decidable from {limit:g} on)"


def _two(each: Mapping[str, Any]) -> str:
    return f"{each['dtype']} against {each['exact']}, on vLLM's prefixes"


def _named(each: Mapping[str, Any]) -> str:
    """The divergences with the widest gaps."""
    widest = sorted(each["first_divergences"], key=lambda one: -(float("inf") if one["gap"] is None else one["gap"]))
    if not widest:
        return "none"
    told = [f"{_gap(one['gap'])} at token {one['position'] + 1}" for one in widest[:_SHOWN]]
    return f"widest gaps {', '.join(told)}"


def _gap(gap: float | None) -> str:
    return "an end" if gap is None else _number(gap)


def _finals(finals: Mapping[str, Any], prompts: int) -> str:
    if not finals["meaningful"]:
        return "not compared: a twin's text means nothing"
    vllm, transformers = finals["right"]
    none = prompts - min(finals["given"])
    right = f"right: vLLM {vllm}, transformers {transformers} of {prompts}"
    return f"{right}; same {finals['same']} of {finals['both']} given by both; up to {none} without one"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
