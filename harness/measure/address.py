"""Where a server answers: read from its command line as vLLM reads it, and asked over HTTP."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import yaml

from harness.errors import HarnessError
from harness.record.secrets import redacted, secret_values

DEFAULT_PORT = 8000
CONNECT_S = 1.0
ANSWER_S = 5.0
TOKEN_S = 120.0
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Address:
    """Where a server listens: a TCP port, or a Unix socket."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    uds: str | None = None
    tls: bool = False

    @property
    def url(self) -> str:
        """Base URL; behind a Unix socket the host is only a name."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}" + ("" if self.uds else f":{self.port}")

    def __str__(self) -> str:
        """For messages."""
        return self.uds or self.url

    def listens(self) -> bool:
        """Whether something accepts connections there."""
        try:
            if self.uds is not None:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(CONNECT_S)
                    probe.connect(self.uds)
            else:
                socket.create_connection((self.host, self.port), timeout=CONNECT_S).close()
        except OSError:
            return False
        return True

    @contextmanager
    def client(self) -> Iterator["Client"]:
        """An HTTP client for the server."""
        # A self-signed certificate is fine: it is the server that was just started. Proxies are not asked.
        transport = httpx.HTTPTransport(uds=self.uds, verify=False)
        with httpx.Client(base_url=self.url, transport=transport, timeout=ANSWER_S, trust_env=False) as client:
            yield Client(client)


@dataclass(frozen=True)
class Client:
    """Questions to a server."""

    http: httpx.Client

    def healthy(self) -> bool:
        """Whether /health answers 200."""
        try:
            return self.http.get("/health").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def ask_for_one_token(self, prompt: str) -> str | None:
        """Have one token generated; what is wrong, or None."""
        try:
            model = self.http.get("/v1/models").raise_for_status().json()["data"][0]["id"]
            body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0.0}
            answer = self.http.post("/v1/completions", json=body, timeout=TOKEN_S).raise_for_status().json()
            tokens = answer["usage"]["completion_tokens"]
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            return f"the server is healthy but does not answer: {error!r}"
        return None if tokens else "the server is healthy but generated no token"


def is_server(command: Sequence[str]) -> bool:
    """Whether a command line starts vLLM's server: ``vllm serve``, also behind a wrapper, or its api_server module."""
    return any(
        word == "serve" and Path(before).name in ("vllm", "vllm.entrypoints.cli.main")
        for before, word in pairwise(command)
    ) or any("api_server" in argument for argument in command)


def serving_address(command: Sequence[str]) -> Address:
    """Where the server that ``command`` starts will listen: its options, else its ``--config`` file's, else 8000.

    Raises:
        HarnessError: the port is no port, or the configuration file cannot be read.
    """
    config = config_file(option(command, "config"))

    def value(name: str) -> str | None:
        found = option(command, name)
        return found if found is not None else config.get(name)

    host = value("host") or ""
    port = value("port") or str(DEFAULT_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise HarnessError(f"--port {port}: not a port from 1 to 65535; give one, so that readiness can be asked for")
    tls = any(value(name) is not None for name in ("ssl-keyfile", "ssl-certfile"))
    return Address(_EVERYWHERE.get(host, host), int(port), value("uds"), tls)


def address_of_url(url: str) -> Address:
    """The address in ``http[s]://HOST[:PORT]``. Raises HarnessError if it is none."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    tls = parts.scheme == "https"
    port = parts.port if parts.port is not None else 443 if tls else 80
    named = bool(parts.host) and not parts.userinfo and not parts.path.strip("/")
    if parts.scheme not in ("http", "https") or not named or not 0 < port < 65536:
        shown = redacted(url, secret_values([url], {}))
        raise HarnessError(f"--url {shown}: not of the form http://HOST:PORT (/health is asked without a password)")
    return Address(parts.host, port, tls=tls)


def free_port() -> int:
    """A TCP port of this machine at which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def option(command: Sequence[str], name: str) -> str | None:
    """The last value of ``--name VALUE`` or ``--name=VALUE``; underscores count as hyphens, as vLLM's parser has it."""
    found = None
    for at, argument in enumerate(command):
        given_name, equals, given = argument.partition("=")
        if given_name.startswith("--") and given_name[2:].replace("_", "-") == name:
            found = given if equals else command[at + 1] if at + 1 < len(command) else None
    return found


def config_file(path: str | None) -> dict[str, str]:
    """The plain values of a ``vllm serve --config`` file."""
    if path is None:
        return {}
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise HarnessError(f"--config {path}: cannot be read ({type(error).__name__}); mend the file") from None
    items = document.items() if isinstance(document, dict) else ()
    return {str(key).replace("_", "-"): str(value) for key, value in items if isinstance(value, str | int)}
