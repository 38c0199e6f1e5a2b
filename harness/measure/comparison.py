"""One repeat of a comparison: the targets answer the same prompts in turns, at rising concurrency.

Only one target is loaded at a time. Within a level their order is drawn from the seed, so that a slow minute of the
machine hits none of them always. A target that stops answering has a gap from there on; the others go on.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from harness.errors import MeasurementFailed
from harness.measure.contenders import Contender, named_model, refuse_mute, send
from harness.record.comparison_run import Level, phase_of
from harness.record.load import LoadRow, Sending
from harness.record.load_output import FAILED, ClientRecord

_GREEDY_S = 120.0
Announce = Callable[[str], None]


@dataclass(frozen=True)
class Repeat:
    """What one repeat sends. ``loads``: concurrency → its requests, the same for every target."""

    number: int
    loads: Mapping[int, Sequence[LoadRow]]
    warmup: LoadRow
    sending: Sending
    seed: int

    def order(self, concurrency: int, names: Sequence[str]) -> list[str]:
        """The targets in the order of this level."""
        shuffled = sorted(names)
        random.Random(f"{self.seed} {self.number} {concurrency} order").shuffle(shuffled)
        return shuffled


@dataclass
class Measured:
    """What came of it. ``models``: target → the model it was asked for; ``gaps``: target → why it is not measured."""

    records: list[ClientRecord] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)
    greedy: dict[str, list[list[int]]] = field(default_factory=dict)


def measure_repeat(repeat: Repeat, contenders: Sequence[Contender], announce: Announce) -> Measured:
    """Measure all of them. No failure of a target raises; Ctrl-C does."""
    measured = Measured()
    there: dict[str, Contender] = {}
    for each in contenders:
        try:
            named = replace(each, model=named_model(each))
            refuse_mute(named, repeat.warmup, replace(repeat.sending, max_concurrency=1))
        except MeasurementFailed as error:
            measured.gaps[each.name] = str(error)
            announce(f"{each.name}: left out: {error}")
            continue
        there[each.name] = named
        measured.models[each.name] = named.without_names(str(named.model))
    for concurrency in repeat.loads:
        for name in repeat.order(concurrency, list(there)):
            _measure_level(repeat, concurrency, there, name, measured, announce)
            if name in measured.gaps:
                del there[name]
    prompts = repeat.loads[min(repeat.loads)] if repeat.loads else ()
    for name, contender in there.items():
        if contender.kind in _ASK_FOR_IDS:
            _ask_greedy(name, contender, prompts, measured, announce)
    return measured


def _measure_level(
    repeat: Repeat,
    concurrency: int,
    there: Mapping[str, Contender],
    name: str,
    measured: Measured,
    announce: Announce,
) -> None:
    contender, rows = there[name], list(repeat.loads[concurrency])
    before = {each: other.cpu_s() for each, other in there.items()}
    sending = replace(repeat.sending, max_concurrency=concurrency)
    records, summary = send(contender, rows, sending, f"{name}-c{concurrency}")
    spent = {each: _difference(before[each], other.cpu_s()) for each, other in there.items()}
    phase = phase_of(name, concurrency)
    measured.records += [replace(record, phase=phase) for record in records]
    others = [seconds for each, seconds in spent.items() if each != name and seconds is not None]
    measured.levels.append(
        Level(
            target=name,
            concurrency=concurrency,
            place=len(measured.levels),
            client=summary.document(),
            cpu_s=spent[name],
            others_cpu_s=sum(others) if others else None,
        )
    )
    failed = [record for record in records if record.status == FAILED]
    announce(f"repeat {repeat.number}, {phase}: {summary.completed} of {len(rows)} answered in {summary.wall_s:.2f} s")
    if len(failed) == len(records) or (failed and records[-1].status == FAILED and not _answers(contender, repeat)):
        measured.gaps[name] = f"{len(failed)} of {len(records)} requests failed at concurrency {concurrency}: " + str(
            failed[-1].error
        )
        announce(f"{name}: left out from here on: {measured.gaps[name]}")


def _answers(contender: Contender, repeat: Repeat) -> bool:
    """Whether it still does, after some of its requests failed."""
    try:
        refuse_mute(contender, repeat.warmup, replace(repeat.sending, max_concurrency=1))
    except MeasurementFailed:
        return False
    return True


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def _ask_greedy(
    name: str, contender: Contender, prompts: Sequence[LoadRow], measured: Measured, announce: Announce
) -> None:
    """Have it answer the prompts one by one, in token ids as it tells them itself."""
    path, body_of, ids_of = _ASK_FOR_IDS[contender.kind]
    try:
        with httpx.Client(base_url=contender.base_url, timeout=_GREEDY_S, trust_env=False) as client:
            found = []
            for row in prompts:
                body = {"temperature": 0.0, **body_of(row, str(contender.model))}
                found.append([int(each) for each in ids_of(client.post(path, json=body).raise_for_status().json())])
    except (httpx.HTTPError, ValueError, KeyError, TypeError, IndexError) as error:
        announce(contender.line(f"{name}: no token ids of its greedy answers ({type(error).__name__}: {error})"))
        return
    measured.greedy[name] = found


def _vllm_body(row: LoadRow, model: str) -> dict[str, Any]:
    return {"model": model, "prompt": row.prompt, "max_tokens": row.output_tokens, "return_token_ids": True}


def _llama_body(row: LoadRow, _: str) -> dict[str, Any]:
    return {"prompt": row.prompt, "n_predict": row.output_tokens, "return_tokens": True, "cache_prompt": False}


# Kind → path, body and ids of an answer. transformers serve tells no ids: its texts are compared.
_ASK_FOR_IDS: dict[str, tuple[str, Callable[[LoadRow, str], dict[str, Any]], Callable[[Any], list[Any]]]] = {
    "vllm": ("/v1/completions", _vllm_body, lambda answer: list(answer["choices"][0]["token_ids"])),
    "llama.cpp": ("/completion", _llama_body, lambda answer: list(answer["tokens"])),
}
