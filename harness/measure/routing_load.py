"""The client of a run: check queries until every replica has served one, then the load, by a process of its own."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from harness.engine.guardian import guarded
from harness.errors import MeasurementFailed
from harness.measure.deployment import Deployment, wait_for
from harness.record.load import Sending
from harness.record.plain import printable
from harness.record.routing_run import CHECK
from harness.workspace import ROOT

_QUERY_LIMIT_S = 120.0
_MOST_QUERIES = 40  # of each replica: by chance alone one in 2^40 calls leaves one of two out
_TOKENS = 8
_SHOWN = 200


def check_queries(deployment: Deployment, model: str, served: Callable[[], set[str]]) -> int:
    """Ask until every replica has served a query (its first one is slow); returns how many were asked.

    ``served``: the replicas that have. Texts of queries have nothing in common, with each other or with a load.

    Raises:
        MeasurementFailed: a query was not answered, or a replica never served one.
    """
    most = _MOST_QUERIES * len(deployment.replicas)
    for number in range(most):
        deployment.check()
        text = hashlib.sha256(f"query {number}".encode()).hexdigest()[:24]
        body = {"model": model, "prompt": text, "max_tokens": _TOKENS, "ignore_eos": True, "temperature": 0}
        headers = {"x-request-id": f"{CHECK}{number}", "x-session-id": text}
        try:
            url = f"{deployment.url}/v1/completions"
            answer = httpx.post(url, json=body, headers=headers, timeout=_QUERY_LIMIT_S, trust_env=False)
            answer.raise_for_status()
            tokens = answer.json()["usage"]["completion_tokens"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise MeasurementFailed(f"query {number} was not answered: {printable(str(error), _SHOWN)}") from None
        if tokens != _TOKENS:
            raise MeasurementFailed(f"query {number} was answered with {tokens} tokens, {_TOKENS} were asked for")
        if number + 1 >= len(deployment.replicas) and served() >= set(deployment.replicas):
            return number + 1
    raise MeasurementFailed(f"a replica served none of {most} queries")


def send_load(
    deployment: Deployment,
    model: str,
    load: Path,
    sending: Sending,
    prefix: str,
    output: Path,
    log: Path,
    limit_s: float,
) -> None:
    """``python -m harness load`` against the deployment; ``output`` appears when all requests have ended.

    Raises:
        MeasurementFailed: the driver ended, the load took longer than ``limit_s``, or could not be sent.
    """
    command = _command(deployment.url, model, load, sending, prefix, output)
    with guarded() as guardian, log.open("ab") as said:
        environment = {**os.environ, **guardian.environment}
        client = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            if not wait_for(deployment.tree, lambda: client.poll() is not None, limit_s):
                deployment.check()
                raise MeasurementFailed(f"the load took more than {limit_s:.0f} s")
        finally:
            client.kill()
            client.wait()
        guardian.dismiss()
    if not output.exists():
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
        raise MeasurementFailed(f"the load could not be sent: {printable(last[-1], _SHOWN)}")


def _command(url: str, model: str, load: Path, sending: Sending, prefix: str, output: Path) -> Sequence[str]:
    asked = ["--base-url", url, "--data", str(load), "--model", model, "--request-id-prefix", prefix]
    return [sys.executable, "-m", "harness", "load", *asked, *sending.arguments(), "--output-file", str(output)]
