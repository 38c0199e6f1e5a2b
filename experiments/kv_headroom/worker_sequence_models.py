"""The two models of a sequence, an MLP and an LSTM, and how values become their input and back.

Runs under an engine's Python (torch). A regression's values are log1p, standardised by the training part: lengths have
a long tail, and the median, which the absolute error asks for, is the same on every monotonic scale. A class is
embedded.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

HIDDEN = 64
EMBEDDED = 16  # numbers that stand for a class
BATCH = 4096  # windows that are predicted at once
WEIGHTS = "model.safetensors"

Values = NDArray[np.int64]


def steady() -> None:
    """Make equal seeds equal numbers, whatever else the machine does: one thread, deterministic kernels."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def architecture(model: str, window: int, classes: int | None) -> dict[str, Any]:
    """What ``build`` needs; ``classes`` None: a regression."""
    return {"model": model, "window": window, "classes": classes, "hidden": HIDDEN, "embedded": EMBEDDED}


def build(shape: dict[str, Any]) -> Any:
    """The model's parts, with new weights: ``embed`` (of classes), ``lstm`` or ``mlp``, ``head``."""
    window, classes, hidden = shape["window"], shape["classes"], shape["hidden"]
    width = 1 if classes is None else shape["embedded"]
    parts: dict[str, Any] = {} if classes is None else {"embed": nn.Embedding(classes, width)}
    if shape["model"] == "lstm":
        parts["lstm"] = nn.LSTM(width, hidden, batch_first=True)
    else:
        layers = (nn.Linear(window * width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        parts["mlp"] = nn.Sequential(*layers)
    parts["head"] = nn.Linear(hidden, classes or 1)
    return nn.ModuleDict(parts)


def outputs(parts: Any, windows: Any) -> Any:
    """Encoded windows (batch, W) → numbers (batch,) of a regression, or logits (batch, classes)."""
    steps = parts["embed"](windows) if "embed" in parts else windows.unsqueeze(-1)  # (batch, W, width)
    if "lstm" in parts:
        _, (state, _) = parts["lstm"](steps)
        return _shaped(parts, state[-1])
    return _shaped(parts, parts["mlp"](steps.flatten(1)))


def _shaped(parts: Any, hidden: Any) -> Any:
    found = parts["head"](hidden)
    return found if "embed" in parts else found.squeeze(-1)


def normalisation(training: Values, classes: int | None) -> dict[str, Any] | None:
    """How a regression's values are scaled, from the training part alone; None for classes."""
    if classes is not None:
        return None
    logs = np.log1p(training.astype(np.float64))
    mean, sd = float(logs.mean()), float(logs.std())
    return {"scale": "log1p", "mean": mean, "sd": sd or 1.0, "largest": int(training.max())}


def encoded(values: Values, normal: dict[str, Any] | None) -> Any:
    """The sequence as the model sees it, shape (n,)."""
    if normal is None:
        return torch.from_numpy(values.astype(np.int64))
    scaled = (np.log1p(values.astype(np.float64)) - normal["mean"]) / normal["sd"]
    return torch.from_numpy(scaled.astype(np.float32))


def predict(parts: Any, values: Values, window: int, normal: dict[str, Any] | None) -> Values:
    """The whole number predicted for each place from ``window`` on, shape (n - window,).

    A number is at most twice the largest of the training part: beyond, the exponential would amplify anything.
    """
    if len(values) <= window:
        return np.empty(0, dtype=np.int64)
    windows = encoded(values, normal).unfold(0, window, 1)[:-1]
    with torch.no_grad():
        found = torch.cat([outputs(parts, some) for some in windows.split(BATCH)])
    if normal is None:
        classes: Values = found.argmax(dim=1).numpy()
        return classes
    top = np.log1p(2.0 * normal["largest"])
    logs = np.clip(found.double().numpy() * normal["sd"] + normal["mean"], 0.0, top)
    numbers: Values = np.rint(np.expm1(logs)).astype(np.int64)
    return numbers


def stored(folder: Path) -> tuple[Any, dict[str, Any]]:
    """A trained model's parts and its model.json."""
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    parts = build(document["architecture"])
    parts.load_state_dict(load_file(folder / WEIGHTS))
    parts.eval()
    return parts, document
