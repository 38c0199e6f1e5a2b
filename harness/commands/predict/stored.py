"""A node's trained forecasts, kept in ``predictors/<node>.json`` until its starts change."""

import re
from pathlib import Path
from typing import get_args

from harness.analyse.forecast import Forecast, train
from harness.analyse.forecast_document import SCHEMA_VERSION, from_document, to_document, training_sha256
from harness.analyse.forecast_evaluate import sweep
from harness.analyse.forecast_starts import Cache, Start
from harness.commands.predict.nodes import Node
from harness.errors import HarnessError
from harness.record.atomic import write_json
from harness.record.bounded import UnreadableError, parse_json, read_bounded
from harness.workspace import Workspace

_MAX_BYTES = 4 << 20


def trained(node: Node, cache: Cache, workspace: Workspace) -> tuple[Forecast, list[str]]:
    """The node's forecast: the stored one if it was trained on the present starts, else a new one, which is stored.

    Also notes for people: a stored file that was damaged, or one that cannot be written.

    Raises:
        HarnessError: the node has no start of this kind that can be used.
    """
    path = workspace.root / "predictors" / _file_name(node.name)
    digest = training_sha256(node.starts)
    stored, notes = _read(path, digest)
    if cache in stored:
        return stored[cache], notes
    found = {each: sweep(node.name, node.starts, each) for each in get_args(Cache)}
    forecasts = {each: forecast for each, one in found.items() if (forecast := train(one.found, each))}
    if cache not in forecasts:
        raise HarnessError(f"node {node.name}: {nothing_found(node.starts, cache, sorted(forecasts))}")
    document = {
        "schema_version": SCHEMA_VERSION,
        "node": node.name,
        "training": {"sha256": digest, "starts": len(node.starts), "whose": node.words},
        "forecasts": {each: to_document(forecast) for each, forecast in forecasts.items()},
    }
    try:
        path.parent.mkdir(exist_ok=True)
        write_json(path, document)
    except OSError as error:
        notes.append(f"predictors/{path.name} is not stored ({error.strerror}); it is trained anew in every call")
    return forecasts[cache], notes


def nothing_found(starts: tuple[Start, ...], cache: Cache, others: list[Cache]) -> str:
    """Why there is nothing to learn from; ``others``: the compile-cache states that there are starts of."""
    there = f"it has {' and '.join(others)} (--cache)" if others else f"{len(starts)} starts of it are stored"
    return f"no start that found its compile caches {cache} can be used; {there}; measure one: bash run_figure.sh 2"


def _file_name(node: str) -> str:
    """The node's name without anything that a path is made of: it may have come from another machine."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', node)}.json"


def _read(path: Path, digest: str) -> tuple[dict[Cache, Forecast], list[str]]:
    """The stored forecasts if they are of this training data; with a note where the file is damaged."""
    try:
        document = parse_json(read_bounded(path, _MAX_BYTES))
        if document["schema_version"] != SCHEMA_VERSION or document["training"]["sha256"] != digest:
            return {}, []
        forecasts = [from_document(each) for each in document["forecasts"].values()]
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [f"predictors/{path.name} cannot be read ({error.strerror})"]
    except (UnreadableError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, [f"{path.name} was damaged ({error}) and is written anew"]
    return {forecast.cache: forecast for forecast in forecasts}, []
