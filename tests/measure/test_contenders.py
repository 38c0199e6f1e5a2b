"""What a target says of itself travels without whose machine it is on."""

import socket

import pytest

from harness.errors import MeasurementFailed
from harness.measure.contenders import Contender, named_model, send
from harness.record.load import LoadRow, Sending
from harness.record.load_output import MAX_ERROR
from tests.load_server import serving

ROWS = [LoadRow(0, 0, 0, 3, "hello")]
SENDING = Sending(request_rate=float("inf"), ignore_eos=False, seed=0, timeout_s=2.0)


def test_a_target_that_refuses_leaves_neither_its_name_nor_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: object, **__: object) -> None:
        raise OSError(111, "Connect call failed ('10.1.2.3', 8000)")

    monkeypatch.setattr(socket, "getaddrinfo", failed)
    target = Contender("theirs", "http://gpu7.example.org:8000", "toy")
    (record,), _ = send(target, ROWS, SENDING, "p")
    assert record.error is not None
    assert "***" in record.error
    assert not [part for part in ("10.1.2.3", "gpu7", "example.org") if part in record.error]


def test_listed_models_are_told_without_the_key_and_before_they_are_cut() -> None:
    key = "s3cret-key-of-somebody"
    with serving([key, "x" * (MAX_ERROR - 60) + key]) as server, pytest.raises(MeasurementFailed) as told:
        named_model(Contender("theirs", server.url, key=key))
    assert str(told.value).startswith("it serves 2 models (***, xxx")
    assert "s3c" not in str(told.value)


def test_a_model_that_is_named_by_its_path_is_recorded_by_its_base_name() -> None:
    with serving(["/srv/somebody/models/m"]) as server:
        target = Contender("theirs", server.url, "/srv/somebody/models/m")
        _, summary = send(target, ROWS, SENDING, "p")
    assert server.seen[0].body["model"] == "/srv/somebody/models/m"
    assert summary.parameters["model"] == "m"
