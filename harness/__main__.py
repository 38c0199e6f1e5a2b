"""``python3 harness VERB`` in the checkout, ``python3 CHECKOUT/harness VERB`` from anywhere."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # run by its path, it would find its own modules at top level
from harness.bootstrap import enter_environment  # noqa: E402  the path comes first

if __name__ == "__main__":
    enter_environment(__file__)
    from harness.cli.app import main

    main()
