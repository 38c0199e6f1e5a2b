"""What says where another machine is: its host's name and IP addresses, in a text that travels."""

import ipaddress
import re

from harness.record.secret_names import MASK

_LOCAL = ("127.0.0.1", "localhost", "::1")  # says nothing of anybody's machine
# Digits with dots, or hexadecimal groups with colons: what of it is an address, ``ipaddress`` says.
_LITERAL = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,8})(?![\w])")


def without_addresses(text: str, host: str) -> str:
    """``text`` with ``***`` in the place of ``host``, written in whatever case, and of every IP address elsewhere."""
    if host and host not in _LOCAL:
        text = re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", MASK, text, flags=re.IGNORECASE)
    return _LITERAL.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    for text in (found[0], found[0][:-1]):  # a colon or a full stop may follow it: "10.1.2.3: refused"
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        return found[0] if address.is_loopback or address.is_unspecified else MASK + found[0][len(text) :]
    return found[0]
