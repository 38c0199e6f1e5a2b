"""Prompts of the feature matrix: random tokens from a seed, the same on every machine."""

import random

_LOWEST = 256  # below lie bytes and special tokens of most vocabularies


def feature_prompts(
    count: int, body: tuple[int, int], shared_prefix: int, repeats: int, seed: int, vocabulary: int
) -> list[list[int]]:
    """``count`` prompts of token ids below ``vocabulary``.

    Each is the same ``shared_prefix`` tokens, then a body of its own (least and most tokens), ``repeats`` times over.
    The first prompts of a larger count are those of a smaller one.

    Raises:
        ValueError: the vocabulary has no tokens to choose from.
    """
    chance = random.Random(seed)
    prefix = _tokens(chance, shared_prefix, vocabulary)
    return [prefix + _tokens(chance, chance.randint(*body), vocabulary) * repeats for _ in range(count)]


def _tokens(chance: random.Random, count: int, vocabulary: int) -> list[int]:
    return [chance.randrange(_LOWEST, vocabulary) for _ in range(count)]
