"""End what a killed driver left in somebody's Ray: ``python -m experiments.prefix_routing.worker_undeploy ASKED DONE``.

ASKED: worker_deploy.py's. In a Ray that the driver started nothing is left: its processes are ended with it.
"""

import json
import sys
from pathlib import Path

import ray

from experiments.prefix_routing.worker_deploy import JOINED, leave
from harness.record.atomic import write_json


def main(asked_path: str, done_path: str) -> None:
    """See the module."""
    asked = json.loads(Path(asked_path).read_text(encoding="utf-8"))
    joined = Path(asked["scratch"]) / JOINED
    if joined.exists():  # else it had started nothing
        ray.init(address=asked["address"], logging_level="ERROR")
        leave(**json.loads(joined.read_text(encoding="utf-8")))
    write_json(Path(done_path), {})


if __name__ == "__main__":
    main(*sys.argv[1:])
