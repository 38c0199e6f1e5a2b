"""Where a server answers: read from command lines as vLLM reads them, and asked."""

import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.measure.address import Address, address_of_url, free_port, is_server, option, serving_address

SERVE = ["vllm", "serve", "some/model"]
PORTS = st.integers(1, 65535)
WORDS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@st.composite
def spelled(draw: st.DrawFn, name: str, value: str) -> list[str]:
    """An option as people type it."""
    typed = "--" + "".join(draw(st.sampled_from("-_")) if letter == "-" else letter for letter in name)
    return draw(st.sampled_from([[typed, value], [f"{typed}={value}"]]))


@st.composite
def others(draw: st.DrawFn) -> list[str]:
    """Options that have nothing to do with the address, but look as if they had."""
    names = ["tensor-parallel-size", "port-range", "no-host", "my-port", "config-format", "hosts"]
    return [word for name in draw(st.lists(st.sampled_from(names))) for word in draw(spelled(name, draw(WORDS)))]


@settings(max_examples=50)
@given(st.data(), st.lists(PORTS, min_size=1, max_size=3))
def test_the_last_port_wins_however_it_is_spelled(data: st.DataObject, ports: list[int]) -> None:
    command = [*SERVE]
    for port in ports:
        command += [*data.draw(others()), *data.draw(spelled("port", str(port))), *data.draw(others())]
    assert serving_address(command) == Address(port=ports[-1])


@given(st.data(), WORDS)
def test_hyphens_and_underscores_are_the_same(data: st.DataObject, value: str) -> None:
    for name in ("ssl-keyfile", "ssl-certfile"):
        assert serving_address([*SERVE, *data.draw(spelled(name, value))]).tls
    assert option([*SERVE, *data.draw(spelled("served-model-name", value))], "served-model-name") == value


@given(others())
def test_without_an_address_it_is_vllms_own(command: list[str]) -> None:
    address = serving_address([*SERVE, *command])
    assert (address, address.url) == (Address(), "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8001"),
        ("", "http://127.0.0.1:8001"),
        ("localhost", "http://localhost:8001"),
        ("10.0.0.7", "http://10.0.0.7:8001"),
        ("::", "http://[::1]:8001"),
        ("::1", "http://[::1]:8001"),
    ],
)
def test_a_server_for_everybody_is_asked_at_home(host: str, url: str) -> None:
    assert serving_address([*SERVE, f"--host={host}", "--port", "8001"]).url == url


def test_behind_a_unix_socket_the_socket_is_the_address() -> None:
    address = serving_address([*SERVE, "--uds", "/run/vllm.sock"])
    assert (address.uds, str(address), address.url) == ("/run/vllm.sock", "/run/vllm.sock", "http://127.0.0.1")


@given(st.data(), PORTS, PORTS)
def test_a_configuration_file_stands_behind_the_command_line(data: st.DataObject, filed: int, typed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "serve.yaml"
        config.write_text(f"port: {filed}\nssl_keyfile: key.pem\nhost: '::1'\nlora-modules: [a, b]\nseed: null\n")
        file = data.draw(spelled("config", str(config)))
        port = data.draw(spelled("port", str(typed)))
        assert serving_address([*SERVE, *file]) == Address("::1", filed, tls=True)
        assert serving_address([*SERVE, *port, *file]) == Address("::1", typed, tls=True)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "eight", "80.5", "٣x", "--host"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(HarnessError, match=r"^--port .*: not a port from 1 to 65535; give one, so that readiness"):
        serving_address([*SERVE, "--port", port])


@pytest.mark.parametrize("text", [None, "a: [", "\x00"])
def test_a_configuration_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str | None) -> None:
    config = tmp_path / "serve.yaml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(HarnessError, match=r"serve\.yaml: cannot be read \(\w+\); mend the file$"):
        serving_address([*SERVE, "--config", str(config)])


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("vllm serve m", True),
        ("/opt/venv/bin/vllm serve m", True),
        ("numactl -C 0-3 vllm serve m", True),
        ("python -m vllm.entrypoints.cli.main serve m", True),
        ("python -m vllm.entrypoints.openai.api_server --model m", True),
        ("vllm bench latency --model m", False),
        ("python program.py serve", False),
        ("bash serve", False),
        ("serve", False),
    ],
)
def test_a_server_is_known_by_its_command(command: str, server: bool) -> None:
    assert is_server(command.split()) == server


@given(WORDS, PORTS, st.sampled_from(["", "/"]), st.sampled_from([("http", False), ("https", True)]))
def test_a_url_is_an_address(host: str, port: int, end: str, scheme: tuple[str, bool]) -> None:
    assert address_of_url(f"{scheme[0]}://{host}:{port}{end}") == Address(host, port, tls=scheme[1])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://a", Address("a", 80)),
        ("https://a", Address("a", 443, tls=True)),
        ("http://[::1]:9", Address("::1", 9)),
    ],
)
def test_a_url_may_leave_the_port_out(url: str, address: Address) -> None:
    assert address_of_url(url) == address


@pytest.mark.parametrize(
    "url",
    ["", "a", "localhost:8000", "ftp://a", "http://", "http://a/b", "http://a:99999", "http://a:0", "http://me:pass@a"],
)
def test_a_url_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(HarnessError, match=r"not of the form http://HOST:PORT \(") as refused:
        address_of_url(url)
    assert "pass@" not in str(refused.value)


def test_listening_is_noticed_at_ports_and_unix_sockets(tmp_path: Path) -> None:
    address = Address(port=free_port())
    assert not address.listens()
    with socket.create_server(("127.0.0.1", address.port)):
        assert address.listens()
    assert not address.listens()
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not Address(uds=str(path)).listens()  # bound, and nobody accepts yet
        server.listen()
        assert Address(uds=str(path)).listens()
    assert not Address(uds=str(path)).listens()  # a file that an earlier server left
