"""What a model of a sequence has to beat: constants, the last value, and a Markov chain of order 1 with back-off.

Each learns from the values before ``split.train_end`` only and predicts the test part, whole numbers of shape (test,).
"""

import numpy as np
from numpy.typing import NDArray

from harness.analyse.sequences import Settings, Split, Values

STATES = 64  # of a Markov chain over values that are no classes
LEAST_SEEN = 5  # successors of a state before their median is trusted
Labels = NDArray[np.int64]


def baselines(sequence: Values, settings: Settings, split: Split) -> dict[str, Labels]:
    """Name → predictions of the test part of the modelled ``sequence``."""
    training, before = sequence[: split.train_end], sequence[split.validation_end - 1 : split.end - 1]
    if settings.task == "classification":
        constants = {"majority": most_frequent(training)}
        markov = markov_class(training, before)
    else:
        # The median too: of all constants it has the least mean absolute error.
        constants = {"mean": nearest(training.mean()), "median": nearest(np.median(training))}
        markov = markov_median(training, before)
    predictions = {"last value": before.copy()}
    predictions |= {name: np.full(len(before), value, dtype=np.int64) for name, value in constants.items()}
    return predictions | {"Markov, order 1": markov}


def nearest(value: float | np.floating) -> int:
    """The nearest whole number: what is predicted is one."""
    return round(float(value))


def most_frequent(values: Values) -> int:
    """The class seen most often; of equally frequent ones the smallest."""
    classes, counts = np.unique(values, return_counts=True)
    return int(classes[counts.argmax()])


def markov_class(training: Values, before: Values) -> Labels:
    """The most frequent successor of the class before; of a class that had none in training, the majority's class."""
    pairs, counts = np.unique(np.stack([training[:-1], training[1:]], axis=1), axis=0, return_counts=True)
    best: dict[int, tuple[int, int]] = {}
    for (state, successor), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        if count > best.get(state, (0, 0))[0]:
            best[state] = (count, successor)
    otherwise = (0, most_frequent(training))
    return np.array([best.get(state, otherwise)[1] for state in before.tolist()], dtype=np.int64)


def markov_median(training: Values, before: Values) -> Labels:
    """The median of what followed values like the one before; the training median where too few of them were seen.

    Values are alike if the same edge is the greatest one not above them. The edges are all training values if there are
    at most ``STATES`` distinct ones, else as many quantiles.
    """
    edges = np.unique(training)
    if len(edges) > STATES:
        edges = np.unique(np.quantile(training, np.linspace(0, 1, STATES, endpoint=False), method="lower"))
    states = np.searchsorted(edges, training[:-1], side="right")
    order = np.argsort(states, kind="stable")
    present, starts = np.unique(states[order], return_index=True)
    medians = np.full(len(edges) + 1, nearest(np.median(training)), dtype=np.int64)
    for state, successors in zip(present, np.split(training[1:][order], starts[1:]), strict=True):
        if len(successors) >= LEAST_SEEN:
            medians[state] = nearest(np.median(successors))
    return medians[np.searchsorted(edges, before, side="right")]
