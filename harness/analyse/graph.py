"""How large the model's traced graph is: what the tracer noted where Dynamo handed it to the back end."""

from collections.abc import Iterable

from harness.analyse.spans import Process


def graph_size(processes: Iterable[Process]) -> dict[str, int] | None:
    """Nodes, and bytes of the Python code that torch.fx writes for them; None if no graph was traced.

    A process may trace several graphs (graph breaks, small helpers that are compiled too): they are added. Every rank
    traces the whole of its model, so one rank counts: the one with the largest graph, where pipeline stages differ.
    """
    sizes = []
    for process in processes:
        graphs = [span.attrs for span in process.spans if "graph_nodes" in span.attrs]
        nodes = sum(attrs["graph_nodes"] for attrs in graphs)
        sizes.append((nodes, sum(attrs.get("graph_code_bytes", 0) for attrs in graphs)))
    nodes, code_bytes = max(sizes, default=(0, 0))
    return {"nodes": nodes, "code_bytes": code_bytes} if nodes and code_bytes else None
