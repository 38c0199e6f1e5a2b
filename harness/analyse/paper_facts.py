"""The numbers that the paper draws its models against, from ``models.yaml``."""

from harness.spec.models import load_models


def paper_facts() -> dict[str, dict[str, float]]:
    """Model → axis → number, in the units of ``harness.spec.figure.Axis``; what is not known is absent."""
    facts = {}
    for name, model in load_models().models.items():
        numbers = {
            "size_b": model.parameters_billion,
            "tokenizer_mb": model.tokenizer_mb,
            "graph_kb": model.compiled_graph_kb,
        }
        facts[name] = {axis: float(number) for axis, number in numbers.items() if number is not None}
    return facts
