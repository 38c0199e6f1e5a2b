#!/usr/bin/env python3
"""Patch an installed engine: ``apply_patches.py [--pin PIN] [--apply|--check|--status|--revert|--dry-run]``.

Without a verb it applies the patch set to this machine's default engine, and installs that engine first if need be.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from harness.bootstrap import enter_environment

    enter_environment(__file__)
    from harness.commands.apply_patches.command import main

    main(sys.argv[1:])
