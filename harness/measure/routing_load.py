"""Check queries: asked until every replica has served one, because its first is slow."""

import hashlib
from collections.abc import Callable

import httpx

from harness.errors import MeasurementFailed
from harness.measure.deployment import Deployment
from harness.record.plain import printable
from harness.record.routing_run import CHECK

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
