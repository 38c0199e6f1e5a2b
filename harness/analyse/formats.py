"""Load formats side by side: whether what they loaded is the same.

Equal weights give equal logits, and from equal logits the same tokens are chosen greedily: formats are compared by the
tokens that each start answered with, exactly. It finds a tensor that was not loaded or is another one's; an error in a
few numbers of one tensor it may miss.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from harness.analyse.dataset import MEASURED, CaseData, Repeat, Side
from harness.analyse.first_difference import first_difference

Answer = tuple[int, ...]
Formats = Mapping[str, CaseData]  # load format → case, of one model


@dataclass(frozen=True)
class Comparison:
    """What the answers say about one model's weights. ``said``: in words, without the model's name."""

    verdict: Literal["equal", "different", "not compared"]
    said: str
    alike: tuple[str, ...] = ()  # formats that answered as the reference did
    odd: tuple[str, ...] = ()  # formats that answered otherwise


def cases_by_format(side: Side) -> dict[str, dict[str, CaseData]]:
    """The side's cases by model and format."""
    out: dict[str, dict[str, CaseData]] = {}
    for case in side.cases:
        out.setdefault(model_of(case), {})[str(case.parameters.get("load_format", "auto"))] = case
    return out


def model_of(case: CaseData) -> str:
    """The model; the paper keeps a tensorized one under a name of its own."""
    return case.model.removesuffix("-tensorized")


def compare_weights(formats: Formats, reference: str) -> Comparison:
    """Whether every measured start of every format answered alike; ``reference`` is what an odd one is told from."""
    answers = {name: found for name, case in formats.items() if (found := _answers(case))}
    silent = [name for name in formats if name not in answers]
    if len(answers) < 2:
        return Comparison("not compared", _too_few(formats, answers))
    steady = {name: next(iter(found)) for name, found in answers.items() if len(found) == 1}
    first = reference if reference in steady else next(iter(steady), "")
    alike = tuple(name for name, answer in steady.items() if answer == steady[first])
    odd = tuple(name for name in answers if name not in alike)
    if odd:
        said = [
            f"{name} answered otherwise than {first} from token {_parting(steady[first], steady[name])} on"
            if name in steady
            else f"{name} answered differently from start to start"
            for name in odd
        ]
        return Comparison("different", "; ".join(said), alike, odd)
    none = f"; {_listed(silent)} stated no answer" if silent else ""
    return Comparison("equal", f"{_listed(alike)} answered with the same {len(steady[first])} tokens{none}", alike)


def reads_past_page_cache(case: CaseData) -> bool:
    """Whether its loader reads with O_DIRECT, so that no start finds its weights in memory."""
    return any(repeat.loading.direct for repeat in _measured(case) if repeat.loading)


def _measured(case: CaseData) -> Iterator[Repeat]:
    return (repeat for repeat in case.repeats if repeat.kind == MEASURED)


def _answers(case: CaseData) -> set[Answer]:
    return {tuple(repeat.output["token_ids"]) for repeat in _measured(case) if repeat.output}


def _parting(one: Answer, other: Answer) -> int:
    """The number of the first token that differs, or that only one has."""
    at = first_difference(one, other)
    return (len(one) if at is None else at) + 1


def _too_few(formats: Formats, answers: Mapping[str, set[Answer]]) -> str:
    if len(formats) < 2:
        return f"only {_listed(formats)} was measured"
    return f"only {_listed(answers)} stated an answer" if answers else "no start stated its answer"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
