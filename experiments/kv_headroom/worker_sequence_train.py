"""Train a model that predicts the next value of a sequence.

Runs under an engine's Python: ``python -m experiments.kv_headroom.worker_sequence_train REQUEST.json RESULT.json`` in
the repository's root. Reads ``{values, model, classes, split, epochs, seed, out}``: ``values`` an .npy of whole
numbers, ``classes`` null for a regression, ``out`` a folder. Writes ``model.safetensors`` and ``predictions.npy`` (one
for each target, from ``split.first`` on) into it, then architecture, normalisation and history into RESULT.json.

Adam on the absolute error or the cross-entropy, in batches drawn by the seed; ends when the validation part has not
become better for ``PATIENCE`` epochs, and keeps the weights that were best on it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional

from experiments.kv_headroom import worker_sequence_models as models

BATCH = 128
LEARNING_RATE = 2e-3
PATIENCE = 12  # epochs


def train(values: models.Values, asked: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model's parts and what is recorded of it."""
    split, classes = asked["split"], asked["classes"]
    window = split["first"]
    shape = models.architecture(asked["model"], window, classes)
    normal = models.normalisation(values[: split["train_end"]], classes)
    torch.manual_seed(asked["seed"])
    parts = models.build(shape)
    sequence = models.encoded(values, normal)
    windows, targets = sequence.unfold(0, window, 1)[:-1], sequence[window:]
    trained, validated = split["train_end"] - window, split["validation_end"] - window
    loss_of = functional.l1_loss if classes is None else functional.cross_entropy
    optimizer = torch.optim.Adam(parts.parameters(), lr=LEARNING_RATE)
    history: list[dict[str, float]] = []
    best: tuple[float, int, dict[str, Any]] = (float("inf"), 0, {})
    for epoch in range(1, asked["epochs"] + 1):
        total = 0.0
        for drawn in torch.randperm(trained).split(BATCH):
            loss = loss_of(models.outputs(parts, windows[drawn]), targets[drawn])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(drawn)
        validation = _loss(parts, windows[trained:validated], targets[trained:validated], loss_of)
        history.append({"epoch": epoch, "train_loss": total / trained, "validation_loss": validation})
        if not np.isfinite(total + validation):
            sys.exit(f"training diverged in epoch {epoch}; give another --seed")
        if validation < best[0]:
            best = (validation, epoch, {name: each.clone() for name, each in parts.state_dict().items()})
        elif epoch - best[1] >= PATIENCE:
            break
    parts.load_state_dict(best[2])
    parts.eval()
    training = {"batch": BATCH, "learning_rate": LEARNING_RATE, "patience": PATIENCE, "best_epoch": best[1]}
    return parts, {"architecture": shape, "normalisation": normal, "training": training, "history": history}


def _loss(parts: Any, windows: Any, targets: Any, loss_of: Any) -> float:
    with torch.no_grad():
        batches = zip(windows.split(models.BATCH), targets.split(models.BATCH), strict=True)
        total = sum(loss_of(models.outputs(parts, some), wanted).item() * len(wanted) for some, wanted in batches)
    return float(total / len(targets))


def main(request_path: str, result_path: str) -> None:
    """Train, write the weights and the predictions."""
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    values, out = np.load(asked["values"], allow_pickle=False), Path(asked["out"])
    models.steady()
    parts, record = train(values, asked)
    save_file({name: each.contiguous() for name, each in parts.state_dict().items()}, out / models.WEIGHTS)
    predictions = models.predict(parts, values, asked["split"]["first"], record["normalisation"])
    np.save(out / "predictions.npy", predictions)
    Path(result_path).write_text(json.dumps(record | {"torch": torch.__version__}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
