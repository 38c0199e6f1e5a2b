"""What stored models of a sequence predict.

Runs under an engine's Python: ``python -m experiments.kv_headroom.worker_sequence_predict REQUEST.json RESULT.npy`` in
the repository's root. Reads ``{values, window, models}``: an .npy of whole numbers and the models' folders, all of that
window. Writes whole numbers of shape (models, values - window).
"""

import json
import sys
from pathlib import Path

import numpy as np

from experiments.kv_headroom import worker_sequence_models as models


def main(request_path: str, result_path: str) -> None:
    """Predict."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    values = np.load(asked["values"], allow_pickle=False)
    models.steady()
    found = []
    for folder in asked["models"]:
        parts, document = models.stored(Path(folder))
        found.append(models.predict(parts, values, asked["window"], document["normalisation"]))
    np.save(result_path, np.stack(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
