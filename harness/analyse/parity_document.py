"""A comparison of vLLM with transformers as a document: what ``parity --json`` gives and its table is printed from."""

import math
from dataclasses import asdict
from typing import Any

from harness.analyse.parity import FAR, RATIO_LIMIT, UNDECIDED, Divergence, Parity
from harness.analyse.parity_answers import Answered
from harness.record.parity_run import FAILED, ParityFacts, ParityRun


def document_of(run: ParityRun, parity: Parity, finals: Answered, place: str) -> dict[str, Any]:
    """Everything that is told. Log-probabilities are natural ones; absent is None. ``place``: the run, in the store."""
    twin = bool(run.facts.model["twin"])
    return {
        **_of(run.facts, place),
        "verdict": parity.verdict,
        "reasons": list(parity.reasons),
        "positions": parity.positions,
        "identical": parity.identical,
        "share_identical": parity.identical / parity.prompts,
        "agreeing": parity.agreeing,
        "near_ties": len(parity.divergences) - len(parity.faults) - len(parity.undecided),
        "undecided": len(parity.undecided),
        "faults": len(parity.faults),
        "first_divergences": [_divergence(each) for each in parity.divergences],
        "smallest_gap": parity.smallest_gap,
        "difference": asdict(parity.difference),
        "error": asdict(parity.error),
        "noise": asdict(parity.noise),
        "ratio": parity.ratio if math.isfinite(parity.ratio) else None,
        "ratio_limit": RATIO_LIMIT,
        "tolerance": parity.tolerance,
        "tolerance_in_noises": FAR,
        "tie_tolerance": {"least": min(parity.tolerances), "largest": max(parity.tolerances), "undecided": UNDECIDED},
        "detectable": parity.detectable,
        "final_answers": {**asdict(finals), "meaningful": not twin},
    }


def failure_of(facts: ParityFacts, place: str) -> dict[str, Any]:
    """What is told of a comparison that an engine did not get through."""
    return {**_of(facts, place), "verdict": FAILED, "reasons": [f"{facts.failed_in}: {facts.reason}"]}


def _of(facts: ParityFacts, place: str) -> dict[str, Any]:
    known = facts.parameters
    named = {name: known[name] for name in ("dtype", "exact", "prompts", "tokens", "seed", "plant")}
    return {**named, "chat": facts.chat, "versions": facts.versions, "run": place}


def _divergence(found: Divergence) -> dict[str, Any]:
    gap = found.gap if math.isfinite(found.gap) else None  # one answer ended, the other did not
    return {"prompt": found.prompt, "position": found.position, "gap": gap, "tolerance": found.tolerance}
