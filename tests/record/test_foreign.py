"""Addresses of other machines in what travels."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record.foreign import without_addresses

HOST = "api.example.org"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("[Connect call failed ('10.1.2.3', 8000)]", "[Connect call failed ('***', 8000)]"),
        ("('2001:db8::7', 8000, 0, 0)", "('***', 8000, 0, 0)"),
        ("at http://[2001:db8::7]:9000: no", "at http://[***]:9000: no"),
        ("10.1.2.3: refused", "***: refused"),
        ("API.Example.ORG is down", "*** is down"),
        ("Connect call failed ('127.0.0.1', 9)", "Connect call failed ('127.0.0.1', 9)"),
        ("at 12:34:56 in std::vector, version 1.2.3", "at 12:34:56 in std::vector, version 1.2.3"),
    ],
)
def test_hosts_and_addresses_of_others_are_hidden_and_nothing_else(said: str, kept: str) -> None:
    assert without_addresses(said, HOST) == kept


@given(address=st.ip_addresses(), before=st.sampled_from(["", "(", "'"]), after=st.sampled_from([")", "']", ": x"]))
def test_no_address_is_left(address: ipaddress.IPv4Address | ipaddress.IPv6Address, before: str, after: str) -> None:
    left = without_addresses(f"{before}{address}{after}", HOST)
    assert address.is_loopback or address.is_unspecified or str(address) not in left
