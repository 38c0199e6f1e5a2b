"""The folder of a trained sequence model: ``model.safetensors`` and ``model.json``, read and checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analyse.sequences import TASKS, Settings, Values
from harness.engine.model_files import file_sha256
from harness.errors import HarnessError
from harness.record.bounded import UnreadableError, parse_json, read_bounded

SCHEMA_VERSION = 1
MODEL_FILE, WEIGHTS = "model.json", "model.safetensors"
MODELS = ("mlp", "lstm")
_MAX_BYTES = 16 << 20
_QUANTILES = 101


@dataclass(frozen=True)
class SequenceModel:
    """A trained model as stored. ``document``: model.json (docs/sequence.md)."""

    folder: Path
    settings: Settings
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.document['architecture']['model'].upper()}, seed {self.document['seed']}"

    @property
    def values_sha256(self) -> str:
        """Which data it was trained on."""
        return str(self.document["data"]["values_sha256"])


def sha256_of(values: Values) -> str:
    """What identifies a sequence: the hash of its values as little-endian 64-bit numbers."""
    return hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()


def read_model(folder: Path) -> SequenceModel:
    """The model in this folder.

    Raises:
        HarnessError: there is none, it is of another version, or its files are not those that were written.
    """
    path = folder / MODEL_FILE
    cure = "train one with `python3 harness sequence train`"
    try:
        document = parse_json(read_bounded(path, _MAX_BYTES))
        if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
            raise UnreadableError(f"not a sequence model of schema {SCHEMA_VERSION}")
        settings = _checked(document)
        if file_sha256(folder / WEIGHTS) != document["weights_sha256"]:
            raise UnreadableError(f"{WEIGHTS} beside it is not the file that was written with it")
    except OSError as error:
        raise HarnessError(f"{error.filename or path}: no model can be read: {error.strerror}; {cure}") from None
    except UnreadableError as error:
        raise HarnessError(f"{path}: no model can be read: {error}; {cure}") from None
    except (KeyError, TypeError) as error:
        raise HarnessError(f"{path}: no model can be read: {error} is missing or wrong; {cure}") from None
    return SequenceModel(folder, settings, document)


def _checked(document: dict[str, Any]) -> Settings:
    """The settings. Raises UnreadableError, KeyError, TypeError."""
    task, window, mod = document["task"], document["window"], document["mod"]
    shape, quantiles = document["architecture"], document["residual_quantiles"]
    classes = mod if task == "classification" else None
    wanted = {"window": window, "classes": classes}
    whole = all(type(each) is int for each in (window, document["seed"], document["training_mean"]))
    if task not in TASKS or not whole or not (mod is None or type(mod) is int):
        raise UnreadableError("task, window, mod, seed or training_mean is wrong")
    if shape["model"] not in MODELS or any(shape[key] != value for key, value in wanted.items()):
        raise UnreadableError("its architecture does not fit its task")
    if task == "regression" and (len(quantiles) != _QUANTILES or any(type(each) is not int for each in quantiles)):
        raise UnreadableError(f"residual_quantiles must be {_QUANTILES} whole numbers")
    if type(document["data"]["values_sha256"]) is not str or type(document["weights_sha256"]) is not str:
        raise UnreadableError("a checksum is missing")
    return Settings(task, window, mod)
