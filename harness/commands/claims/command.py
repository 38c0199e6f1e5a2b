"""``python3 harness claims``: which of the paper's claims hold on what was measured here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.analyse.judge import judge_all
from harness.analyse.judged import Judged
from harness.commands.claims.evidence_files import own_evidence, paper_evidence, this_machine
from harness.door import json_errors
from harness.errors import HarnessError
from harness.show.claims_print import print_claims, summary_line
from harness.spec.claims import Claim, load_claims
from harness.workspace import Workspace


def run_claims(
    figures: Sequence[str], folders: Sequence[Path], of_paper: bool, gate: bool, as_json: bool, workspace: Workspace
) -> int:
    """Judge, print, and return the exit code: 1 if ``gate`` and a claim is contradicted.

    Raises:
        HarnessError: a figure without claims, a folder that cannot be read, or (after printing) slots that cannot.
    """
    with json_errors(as_json):
        if of_paper and folders:
            raise HarnessError("--paper judges the paper's own data, --data somebody else's; give one of them")
        claims = chosen_claims(figures)
        evidence = paper_evidence(workspace) if of_paper else own_evidence(workspace, folders)
        judged = judge_all(claims, evidence, this_machine(workspace))
    console = Console(highlight=False, stderr=as_json)
    print_claims(judged, console)
    console.print(summary_line(judged))
    if as_json:
        print(json.dumps({"claims": [claim_json(each) for each in judged]}, allow_nan=False))
    if wanted := [why for figure, why in evidence.problems.items() if not figures or figure in figures]:
        raise HarnessError(wanted[0])
    return int(gate and any(each.verdict == "contradicted" for each in judged))


def chosen_claims(figures: Sequence[str] = ()) -> list[Claim]:
    """The claims of these figures; all of them, if none is named.

    Raises:
        HarnessError: there is no claim about one of them.
    """
    claims = load_claims()
    known = list(dict.fromkeys(claim.figure for claim in claims))
    if unknown := [figure for figure in figures if figure not in known]:
        raise HarnessError(f"no claim is about figure '{unknown[0]}'; there are claims about {', '.join(known)}")
    return [claim for claim in claims if not figures or claim.figure in figures]


def claim_json(judged: Judged) -> dict[str, Any]:
    """One verdict for programs. Numbers are in ``unit``; what does not exist is null."""
    claim = judged.claim
    return {
        "id": claim.id,
        "figure": claim.figure,
        "statement": claim.statement,
        "quantity": claim.quantity,
        "kind": claim.kind,
        "unit": claim.unit,
        "verdict": judged.verdict,
        "paper": claim.paper,
        "tolerance": claim.tolerance.model_dump(),
        "mine": judged.mine,
        "interval": judged.interval,
        "n": judged.n,
        "more_runs": judged.more_runs,
        "reason": judged.reason,
        "flags": list(judged.flags),
    }
