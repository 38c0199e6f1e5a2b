"""What the cold-start study asks of an engine, offline and as a server."""

import argparse
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experiments.cold_start import study
from harness.measure.address import Address, is_server, serving_address

NAMES = st.from_regex(r"[a-z]{2,6}(_[a-z]{1,6}){0,2}", fullmatch=True).filter(lambda name: name not in ("port", "host"))
VALUES = (
    st.booleans()
    | st.integers()
    | st.from_regex(r"[a-z0-9./]{1,8}", fullmatch=True)
    | st.lists(st.integers(), min_size=1)
)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.booleans(), st.integers(1, 65535))
def test_a_servers_options_are_the_engine_arguments(parameters: dict[str, Any], eager: bool, port: int) -> None:
    parameters.pop("enforce_eager", None)
    command = study.server_command(Path("/env/bin/python"), Path("/models/tiny"), parameters, eager, port)
    assert command[:4] == ["/env/bin/python", "/env/bin/vllm", "serve", "/models/tiny"]
    assert is_server(command)
    assert serving_address(command) == Address(port=port)
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name, value in {**parameters, "enforce_eager": eager}.items():
        how: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if isinstance(value, bool) else {}
        if isinstance(value, list):
            how = {"nargs": "+", "type": int}  # as vLLM declares such options
        parser.add_argument("--" + name.replace("_", "-"), **how)
    parsed = vars(parser.parse_known_args(command[4:])[0])
    assert parsed.pop("enforce_eager") == eager
    for name, value in parameters.items():
        text = parsed[name]
        assert value == text if isinstance(value, bool | str | list) else value == json.loads(text)
