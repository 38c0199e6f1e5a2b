"""Which names say that a value is a secret, and which values are worth hiding."""

import re

MASK = "***"
_SEVERAL = {"keys", "apikeys", "secrets", "passwords", "credentials"}  # options of these take more than one value
_SECRET = _SEVERAL | {"key", "apikey", "token", "secret", "password", "passwd", "passphrase", "credential"}
_SECRET |= {"authorization", "bearer"}
# A name that also has one of these is about something else: --long-prefill-token-threshold, HF_TOKEN_PATH.
_HARMLESS = {"file", "path", "dir", "folder", "ids", "threshold", "limit", "count", "size", "length", "type", "budget"}
_NO_SECRETS = {"none", "null", "true", "false", "auto", "empty", "dummy", "test", "vllm", *_SECRET}
_LEAST, _LEAST_DIGITS = 4, 8


def is_secret_name(name: str) -> bool:
    """Whether an option, a variable or a key of this name holds a secret."""
    words = set(_words(name))
    return bool(words & _SECRET) and not words & _HARMLESS


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def is_worth_hiding(value: str) -> bool:
    """Whether a value is long and rare enough to be looked for in everything that is recorded."""
    least = _LEAST_DIGITS if value.isdecimal() else _LEAST
    return len(value) >= least and value.lower() not in _NO_SECRETS and value != MASK


def takes_several(option: str) -> bool:
    """Whether more than one value may follow a secret's option."""
    words = _words(option)
    return bool(_SEVERAL & set(words)) or words[-2:] == ["api", "key"] or words[-1] == "apikey"
