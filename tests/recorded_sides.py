"""The paper's sides from the result files of its recorded data; whoever asks for one is skipped where there is none.

The result files hold what the paper's own parser derived, so these sides do not depend on our parser.
"""

import json
import re
from typing import Any

from harness.analyse.dataset import Side, paper_sides
from harness.record.paper import PaperRow
from tests.beside import RECORDED

_LABEL = re.compile(r"^output_model_(?P<model>[^_]+?)(?:_(?P<options>.+))?\.txt$")
_OPTIONS = re.compile(r"^(?P<name>load-format|max_model_len)_(?P<value>.+)$")
_STARTED = re.compile(r"initialize_engine took (?P<s>\d+(?:\.\d+)?) seconds")


def recorded_side(folder: str, figure: str = "2", slot: str = "node0") -> Side:
    """The side of one recorded folder (``figure-10/gpu0``): its five counted repeats."""
    data = RECORDED.need()
    rows: list[PaperRow] = []
    for iteration in range(1, 6):
        results = json.loads((data / folder / "iterations" / str(iteration) / "comparison_results.json").read_text())
        for at, label in enumerate(results["labels"]):
            found = _LABEL.match(label)
            assert found
            option = _OPTIONS.match(found["options"] or "")
            setting = f"{option['name']}={option['value']}" if option else ""
            rows += [
                PaperRow(figure, slot, found["model"], setting, "measured", iteration, phase, values[at])
                for phase, values in results["data"].items()
                if values[at] is not None
            ]
    (side,) = paper_sides(rows, recorded_facts())
    return side


def recorded_versions() -> Side:
    """Figure 1's side: one start of each vLLM release."""
    rows = []
    for log in sorted(RECORDED.need("figure-1/iterations").glob("output_*.txt")):
        version = log.stem.removeprefix("output_")
        *_, seconds = _STARTED.findall(log.read_text(errors="replace"))
        rows.append(PaperRow("1", "node0", "opt-6.7b", f"vllm={version}", "measured", 1, "start_s", float(seconds)))
    (side,) = paper_sides(rows, {})
    return side


def recorded_facts() -> dict[str, dict[str, float]]:
    """Sizes of the paper's models, as its figures draw against them."""
    names = {"size": "size_b", "tokenizer_size": "tokenizer_mb", "compiled_graph_sizes": "graph_kb"}
    models: dict[str, dict[str, Any]] = json.loads(RECORDED.need("models_config.json").read_text())
    return {
        model: {fact: facts[name] for name, fact in names.items() if name in facts} for model, facts in models.items()
    }
