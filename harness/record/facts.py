"""What a start was made with, by group, flat, so that two records can be laid beside each other and compared.

    versions   engine build, Python, torch, patch set, the study's own code, this harness
    flags      what the engine was asked for: parameters, mode, command, environment variables
    machine    the node's fingerprint
    state      what was declared of the caches and the rest of the state the start began from
    model      name, revision, files

Values are those of the records; null is absent. Names are dotted where a record nests (``storage.file_system``).
"""

from collections.abc import Iterable
from typing import Any

from harness.record.run import Run

GROUPS = ("versions", "flags", "machine", "state", "model")

# Parts of a case's definition that the run states elsewhere, or that are not flags.
_NOT_FLAGS = ("study", "study_sha256", "model", "twin", "files_sha256", "engine", "environment", "parameters", "caches")

Facts = dict[str, dict[str, Any]]


def facts_of_runs(runs: Iterable[Run]) -> Facts:
    """The facts of runs of one session. Where they differ among each other, the value is all of theirs."""
    found: dict[str, dict[str, list[Any]]] = {group: {} for group in GROUPS}
    for run in runs:
        for group, facts in _facts_of_run(run).items():
            for name, value in facts.items():
                values = found[group].setdefault(name, [])
                if value not in values:
                    values.append(value)
    return {
        group: {name: values[0] if len(values) == 1 else " / ".join(map(str, values)) for name, values in named.items()}
        for group, named in found.items()
    }


def facts_of_slot(manifest: dict[str, Any], case: dict[str, Any]) -> Facts:
    """The facts of one case of a slot (``case``: its entry in the manifest). A slot records fewer than a run."""
    own = [run["run_id"] for run in manifest["runs"] if run["case"] == case["case"]]
    certificates = [manifest["certificates"][run_id] for run_id in own if run_id in manifest["certificates"]]
    return {
        "versions": flat(case["engine"]),
        "flags": flat(case["parameters"]),
        "machine": flat(manifest["node"]),
        "state": _declared(certificates[-1]) if certificates else {},  # a session's measured runs declare the same
        "model": flat(case["model"]),
    }


def flat(document: Any, prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}, "c": None}`` → ``{"a.b": 1}``."""
    if not isinstance(document, dict):
        return {} if document is None else {prefix: document}
    facts: dict[str, Any] = {}
    for name, value in document.items():
        facts |= flat(value, f"{prefix}.{name}" if prefix else str(name))
    return facts


def _facts_of_run(run: Run) -> Facts:
    definition = {name: value for name, value in run.case.items() if name not in _NOT_FLAGS}
    study = {"study": run.study, "study_sha256": run.case.get("study_sha256")}
    return {
        "versions": flat({**run.engine, **study, "harness": run.harness}),
        "flags": flat({**(run.case.get("parameters") or {}), **definition}) | flat(run.environment),
        "machine": flat(run.node),
        "state": flat({"caches": run.case.get("caches")}) | _declared(run.certificate),
        "model": flat(run.model),
    }


def _declared(certificate: Any) -> dict[str, Any]:
    """What each part of a certificate declared; that it held is why the run is used at all."""
    if not isinstance(certificate, dict):
        return {}
    return flat({name: part.get("declared") for name, part in certificate.items() if isinstance(part, dict)})
