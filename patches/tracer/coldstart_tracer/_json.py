"""Just enough JSON writing. ``import json`` costs 3 ms per process (it brings ``re``); this costs nothing."""

from _json import encode_basestring_ascii

quote = encode_basestring_ascii


def encode(value: object) -> str:
    """JSON text of None, bool, int, str, list and dict."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quote(str(key))}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    return quote(str(value))
