"""``python3 harness reparse DIR``: are a recording's values what its logs say?"""

import json
from pathlib import Path

from rich.console import Console

from harness.analyse.reparse import reparse
from harness.door import json_errors
from harness.errors import HarnessError


def run_reparse(root: Path, as_json: bool) -> int:
    """Compare every value and print; returns the exit code: 0 all match; 1 one differs, is missing, or none is there.

    Raises:
        HarnessError: no such folder, or no recorded results in it.
    """
    with json_errors(as_json):
        if not root.is_dir():
            what = "is a file; for one log: python3 harness parse-log FILE" if root.exists() else "no such folder"
            raise HarnessError(f"{root}: {what}")
        tally = reparse(root)
        if not tally.files:
            raise HarnessError(
                f"{root}: no comparison_results.json or avg_comparison_results.json in it or below; name the folder "
                "of a recording"
            )
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    causes = tally.causes()
    for cause in causes:
        console.print(cause, markup=False)
    console.print(
        f"{tally.files} result files: {tally.matched:,} values match, {tally.different:,} differ, "
        f"{tally.missing:,} missing"
    )
    if as_json:
        document = {
            "files": tally.files,
            "matched": tally.matched,
            "different": tally.different,
            "missing": tally.missing,
            "causes": causes,
        }
        print(json.dumps(document))
    return 1 if tally.different or tally.missing or not tally.matched else 0
