"""A server that speaks OpenAI's API and runs already: its URL as it was typed, and which model it serves."""

import httpx

from harness.errors import HarnessError

_ASK_S = 30.0


def base_of(url: str, option: str, instead: str) -> str:
    """The server's base, without a path's end that belongs to the API. No message repeats what may be a secret.

    ``option``: how it was given, for people; ``instead``: what to do with a password.

    Raises:
        HarnessError: it is no HTTP URL, or has more than a place: a password, a query, a fragment.
    """
    try:
        parsed = httpx.URL(url.rstrip("/").removesuffix("/v1"))
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        got = "" if set(url) & set("@?#") else f" (got {url})"
        raise HarnessError(f"{option}: no URL of a server{got}; it looks like http://127.0.0.1:8000")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise HarnessError(f"{option}: a URL with a password, a query or a fragment; {instead}")
    return str(parsed).rstrip("/")


def served_model(base_url: str, named: str | None, how: str, key: str | None = None) -> str:
    """The model to ask for: ``named``, if the server answers at all, else the only one that it lists.

    ``how`` a model is named, for people. No message has the server's URL, but what a server or the system says may.

    Raises:
        HarnessError: no answer, or which of its models is meant must be said.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(f"{base_url}/v1/models", headers=headers, timeout=_ASK_S, trust_env=False)
        if named is not None:
            return named
        served = [each["id"] for each in response.raise_for_status().json()["data"]]
    except httpx.TransportError as error:
        said = str(error) or type(error).__name__
        raise HarnessError(f"no server answers: {said}; start it, or mend its URL") from None
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        answer = error.response if isinstance(error, httpx.HTTPStatusError) else None
        why = type(error).__name__ if answer is None else f"HTTP {answer.status_code}"
        raise HarnessError(f"its list of models cannot be read ({why}); {how}") from None
    if len(served) != 1 or not isinstance(served[0], str):
        listed = ", ".join(map(str, served[:5])) or "none"
        raise HarnessError(f"it serves {len(served)} models ({listed}); {how}")
    return served[0]
