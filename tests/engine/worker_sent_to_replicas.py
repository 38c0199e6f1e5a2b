"""Requests sent to replicas by chance, under an engine's Python: IN.json OUT.json.

IN: {"cases": [{trace, replicas, shape (ReplicaShape, its step_time too), seed, limit (requests under way; null)}, …]}.
OUT: {"cases": [[{replica, sent_s, scheduled_s, first_token_s, finished_s, hit_tokens, preemptions} of each request]]}.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

from experiments.model_free.worker_step_time import StepTime
from experiments.prefix_routing.worker_replicas import Replicas, ReplicaShape


def send_all(asked: dict[str, Any]) -> list[dict[str, Any]]:
    chance = random.Random(asked["seed"])
    shape = ReplicaShape(**asked["shape"] | {"step_time": StepTime(**asked["shape"]["step_time"])})
    trace = shape.trace(Path(asked["trace"]))
    replicas = Replicas(asked["replicas"], shape, trace)
    limit = asked["limit"] or float("inf")
    now, under_way, answers = 0.0, 0, {}

    def go(until: float) -> None:
        nonlocal now, under_way
        now, ended = replicas.advance(until)
        under_way -= len(ended)
        answers.update({record.row.request_id: (number, record) for number, record in ended})

    for row in trace:
        while now < row.arrival_s:
            go(row.arrival_s)
        replicas.watched = True
        while under_way >= limit:
            go(float("inf"))
        replicas.watched = False
        replicas.send(chance.randrange(asked["replicas"]), row, now)
        under_way += 1
    while under_way:
        go(float("inf"))
    return [
        {
            "replica": number,
            "sent_s": record.row.arrival_s,
            "scheduled_s": record.scheduled_s,
            "first_token_s": record.first_token_s,
            "finished_s": record.finished_s,
            "hit_tokens": record.hit_tokens,
            "preemptions": record.preemptions,
        }
        for number, record in (answers[f"r{index}"] for index in range(len(answers)))
    ]


def main(request_path: str, result_path: str) -> None:
    asked = json.loads(Path(request_path).read_text(encoding="utf-8"))
    Path(result_path).write_text(json.dumps({"cases": [send_all(each) for each in asked["cases"]]}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
