"""What the probabilistic policies know of output lengths, learned from requests that are not replayed.

Each workload has one more repeat, which is never replayed: its output lengths give the distribution, and a sequence
model (docs/sequence.md) trained on them predicts each replayed request's from those before it. That the requests
before it have ended when it arrives, so that their lengths are known, is assumed: the model is seen at its best.
"""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from experiments.kv_headroom.study import LEARNING, Lengths
from experiments.model_free.sources import sources_sha256
from harness.analyse.sequences import make_settings
from harness.commands.headroom.search import Guesses
from harness.engine.environment import Engine
from harness.measure.replay import engine_record
from harness.measure.sequence_models import Training, predict_lengths, train_sequence
from harness.workspace import Workspace

WINDOW = 16  # lengths that a prediction is made from
_TRAINING = Training(model="lstm", epochs=60, seed=0)


def learn(
    known: Sequence[int], repeats: Sequence[Sequence[int]], engine: Engine, workspace: Workspace
) -> list[Guesses]:
    """What is guessed of each repeat's output lengths (tokens), from the ``known`` ones of other requests.

    Raises:
        HarnessError: the model cannot be trained or asked.
    """
    settings = make_settings("regression", WINDOW, None, np.asarray(known, np.int64))
    by = [sources_sha256(LEARNING), engine_record(engine)]
    named = json.dumps([list(known), WINDOW, _TRAINING.__dict__, by]).encode()
    folder = workspace.caches / "sequence-models" / hashlib.sha256(named).hexdigest()[:16]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        train_sequence(known, settings, _TRAINING, folder, engine, "output_tokens")
    of_outputs = tuple(int(each) for each in np.quantile(known, np.linspace(0, 1, 101), method="nearest"))
    found = []
    for lengths in repeats:
        predictions = predict_lengths(lengths, folder, engine)
        found.append(Guesses(Lengths(of_outputs, tuple(predictions.residual_quantiles)), predictions.values))
    return found
