"""A server that runs already: what of its URL is taken, and which model of it is asked for."""

import socket

import pytest

from harness.errors import HarnessError
from harness.measure.openai_server import base_of, served_model
from tests.load_server import serving


@pytest.mark.parametrize("url", ["http://h:8000", "http://h:8000/", "http://h:8000/v1", "http://h:8000/v1/"])
def test_what_belongs_to_the_api_is_no_part_of_the_base(url: str) -> None:
    assert base_of(url, "--x", "y") == "http://h:8000"


@pytest.mark.parametrize("url", ["http://u:hunter2@h", "http://hunter2@h", "http://h?k=hunter2", "http://h#hunter2"])
def test_a_url_that_is_more_than_a_place_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(HarnessError, match=r"^--x: a URL with a password, a query or a fragment; y$"):
        base_of(url, "--x", "y")


def test_what_is_no_url_is_repeated_unless_it_may_hold_a_secret() -> None:
    with pytest.raises(HarnessError, match=r"^--x: no URL of a server \(got ftp://h\); it looks like"):
        base_of("ftp://h", "--x", "y")
    with pytest.raises(HarnessError, match=r"^--x: no URL of a server; it looks like"):
        base_of("ftp://u:hunter2@h", "--x", "y")


def test_a_named_model_is_taken_from_any_server_that_answers() -> None:
    with serving(["a", "b"]) as server:
        assert served_model(server.url, "mine", "name it") == "mine"
    with serving(["a"]) as server:
        assert served_model(server.url, None, "name it") == "a"
    with serving(["a", "b"]) as server, pytest.raises(HarnessError, match=r"^it serves 2 models \(a, b\); name it$"):
        served_model(server.url, None, "name it")


def test_a_server_that_is_not_there_is_said_even_if_its_model_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(HarnessError, match=r"^no server answers: .*; start it, or mend its URL$"):
            served_model(url, "mine", "name it")
