"""Comparisons as an engine and transformers would leave them, from errors that the test knows."""

import random
from dataclasses import replace
from typing import Any

from harness.record.parity_run import OK, Answer, ParityFacts, ParityRun, Prompt, Reference

LISTED = 3
FACTS = ParityFacts(
    case="parity-toy-twin-float32-00000000",
    status=OK,
    failed_in=None,
    reason=None,
    started_at="2026-11-29T12:00:00Z",
    parameters={
        "dtype": "float32", "exact": "float64", "prompts": 4, "tokens": 6, "listed": LISTED, "seed": 0, "plant": None,
    },
    model={"name": "toy", "twin": True, "files_sha256": "0" * 64},
    engine={"pin": "fake", "version": "0", "lock_sha256": "0" * 64},
    versions={"vllm": "0", "torch": "0", "transformers": "0"},
    chat=False,
    seconds={"vllm": 1.0, "transformers": 1.0},
    environment={},
    node={"id": "node-test"},
    harness={"version": "0"},
)  # fmt: skip


def comparison(
    noise: float = 1e-6, error: float = 1e-6, prompts: int = 8, tokens: int = 12, seed: int = 0, gap: float = 1.0
) -> ParityRun:
    """Equal answers. ``noise``, ``error``: standard deviations of transformers and vLLM; ``gap``: of the top two."""
    rng = random.Random(seed)
    answers, references = [], []
    for _ in range(prompts):
        ids = [rng.sample(range(100), LISTED) for _ in range(tokens)]
        exact = [[-0.5, -0.5 - gap, -3.0 - gap] for _ in range(tokens)]
        given = [[value + rng.gauss(0, error) for value in row] for row in exact]
        same = [[value + rng.gauss(0, noise) for value in row] for row in exact]
        chosen = [row[0] for row in ids]
        answers.append(Answer([1, 2, 3], chosen, ids, given))
        best = Reference([row[:2] for row in ids], [row[:2] for row in same], same, exact, list(chosen), ["a", "a"])
        references.append(best)
    return ParityRun(FACTS, [Prompt("sums", "?", "4")] * prompts, answers, references)


def parted(run: ParityRun, prompt: int, position: int, gap: float) -> ParityRun:
    """The same, but there transformers prefers another token by ``gap``."""
    reference = run.references[prompt]
    own, other = run.answers[prompt].tokens[position], 101
    best, best_log_p = [*map(list, reference.best)], [*map(list, reference.best_log_p)]
    best[position] = [other, own]
    chosen = reference.log_p[position][0]
    best_log_p[position] = [chosen + gap, chosen]
    tokens = [*reference.tokens[:position], other, *[102] * (len(reference.tokens) - position - 1)]
    return with_reference(run, prompt, best=best, best_log_p=best_log_p, tokens=tokens)


def with_reference(run: ParityRun, prompt: int, **changed: Any) -> ParityRun:
    references = list(run.references)
    references[prompt] = replace(references[prompt], **changed)
    return replace(run, references=references)


def with_answer(run: ParityRun, prompt: int, **changed: Any) -> ParityRun:
    answers = list(run.answers)
    answers[prompt] = replace(answers[prompt], **changed)
    return replace(run, answers=answers)
