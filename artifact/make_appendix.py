#!/usr/bin/env python3
"""Write ``artifact/appendix.md``, the artifact appendix that evaluation committees ask for, from the declarations.

python3 artifact/make_appendix.py            write it
python3 artifact/make_appendix.py --check    exit 1 if it is not what the declarations say
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.bootstrap import enter_environment

enter_environment(__file__)

from harness.artifact.appendix import APPENDIX, appendix  # noqa: E402
from harness.errors import HarnessError  # noqa: E402
from harness.record.atomic import write_text  # noqa: E402
from harness.workspace import Workspace  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Write or check the file; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is stale")
    options = parser.parse_args(arguments)
    workspace = Workspace()
    path = workspace.root / APPENDIX
    try:
        text = appendix(workspace)
        if options.check:
            stale = not path.exists() or path.read_text(encoding="utf-8") != text
            print(
                f"{APPENDIX}: {'stale; python3 artifact/make_appendix.py' if stale else 'is what the declarations say'}"
            )
            return int(stale)
        write_text(path, text)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error.filename or path}: {error.strerror}", file=sys.stderr)
        return HarnessError.exit_code
    print(f"wrote {APPENDIX}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
