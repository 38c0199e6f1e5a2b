"""Hits in a cache that forgets nothing, counted with sets of whole prefixes: shares nothing with harness.traces."""

Request = tuple[list[int], list[int]]  # prompt and answer


def endless_share(requests: list[Request], size: int) -> float:
    """Share of prompt tokens that stand in a block, chained to all before it, that an earlier request left."""
    stored: set[tuple[int, ...]] = set()
    hits = 0
    for prompt, answer in requests:
        for n in range(1, (len(prompt) - 1) // size + 1):  # at least one token is computed
            if tuple(prompt[: size * n]) not in stored:
                break
            hits += size
        left = (prompt + answer)[:-1]  # the last token is never run
        stored |= {tuple(left[: size * n]) for n in range(1, len(left) // size + 1)}
    return hits / sum(len(prompt) for prompt, _ in requests)
