"""How well a sequence was predicted, for a terminal: a table of predictors, then who beats whom."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from harness.record.plain import printable

_HEADS = {
    "accuracy": "accuracy [%]",
    "mae": "mean abs. error",
    "within_10_percent": "within ±10 % [%]",
    "within_16_tokens": "within 16 [%]",
}


def evaluation_table(document: Mapping[str, Any]) -> Table:
    """A row for each predictor, each metric with its 95 % interval."""
    data, found = document["data"], document["evaluation"]
    table = Table(box=SIMPLE_HEAD)
    table.add_column("predictor", no_wrap=True)
    metrics = list(found["scores"][found["best_baseline"]])
    for name in metrics:
        table.add_column(_HEADS[name], justify="right", no_wrap=True)
    models = {each["model"] for each in found["comparisons"]}
    last = [name for name in found["scores"] if name not in models][-1]
    for name, scores in found["scores"].items():  # baselines first
        cells = (_metric(metric, scores[metric]) for metric in metrics)
        table.add_row(printable(name), *cells, end_section=name == last and bool(models))
    caption = f"{data['column']}: {document['settings']}; the last {found['targets']:,} of {data['values']:,} values"
    table.caption, table.caption_justify = printable(f"{caption}; 95 % intervals"), "left"
    return table


def evaluation_lines(document: Mapping[str, Any]) -> list[str]:
    """What the comparisons say, and what must be known to read them."""
    found = document["evaluation"]
    lines = [f"best baseline: {found['best_baseline']}"]
    lines += [_comparison(each, found) for each in found["comparisons"]]
    if found["comparisons"] and not any(each["beats"] for each in found["comparisons"]):
        lines.append("no model beats the best baseline")
    lines += [f"{each['name']} was trained on other data" for each in document["models"] if not each["same_data"]]
    return [printable(line) for line in lines]


def _comparison(each: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    unit = " in mean absolute error" if found["main"] == "mae" else " percentage points of accuracy"
    factor = 1 if found["main"] == "mae" else 100
    gain, low, high = (f"{factor * each[key]:+.2f}" for key in ("gain", "low", "high"))
    verdicts = {True: "beats it", False: "does not beat it", None: f"{found['targets']} targets are too few to tell"}
    return f"{each['model']} against {each['baseline']}: gain {gain} [{low}, {high}]{unit}: {verdicts[each['beats']]}"


def _metric(name: str, metric: Mapping[str, float]) -> str:
    factor = 1 if name == "mae" else 100
    value, low, high = (f"{factor * metric[key]:,.1f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
