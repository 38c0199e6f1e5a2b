#!/usr/bin/env python3
"""Put model files where the studies look for them: ``download_models.py llama3-3b``, or with ``--synthetic``.

Real weights are downloaded to ``models/NAME``; ``--synthetic`` makes a structural twin in ``models/NAME-twin``.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from harness.bootstrap import enter_environment

    enter_environment(__file__)
    from harness.commands.download_models.command import main

    main(sys.argv[1:])
