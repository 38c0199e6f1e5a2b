"""What travels between machines says nothing of whose machine it was: no host name, user name, home folder or path."""

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.record.plain import printable

_DISTINCTIVE = 6  # a shorter host name ("gpu7") also occurs inside other words, and is only looked for as a word

# An absolute path (also below ~, ./ or a URL's host): ends at a blank, a quote, a bracket or a separator of lists.
_PATH = re.compile(
    r"""(?<![\w.~)\]}-])(?:~[\w.-]*|\.{1,2}|[a-z][a-z0-9+.-]*:(?://[^\s/"']*(?=/)|(?=//)))?"""
    r"""(?:/+[^\s/"'<>|;,:()\[\]{}]+)+/*"""
)
_A_HOME = re.compile(r"/+(?:home|Users)/+[^/]+/*|/+root/*")
_WHOLE_PATH = re.compile(r"~?/(?:(?!: |:/| -)[^\n])+")  # the only way to see that a blank belongs to a path


@dataclass(frozen=True)
class Names:
    """Names of a machine and its user that must not travel."""

    hosts: frozenset[str]
    users: frozenset[str]
    homes: frozenset[str]


def names_here() -> Names:
    """The names of this machine and of whoever runs this process. No network is asked."""
    host = os.uname().nodename
    users = {os.environ.get("USER", ""), os.environ.get("LOGNAME", "")}
    homes = {os.path.expanduser("~")}
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:  # a container's user number without an entry
        pass
    else:
        users.add(entry.pw_name)
        homes.add(entry.pw_dir)
    return Names(
        hosts=frozenset({host, host.partition(".")[0]} - {"", "localhost"}),
        users=frozenset(users - {""}),
        homes=frozenset(home.rstrip("/") for home in homes if len(home.rstrip("/")) > 1),
    )


def without_private(value: Any, names: Names, kept: frozenset[str] = frozenset()) -> Any:
    """A JSON value whose texts are printable, name no host or user, and have base names in the place of paths.

    Texts that equal one of ``kept`` stay: names that tie the parts of a document together.
    """
    if isinstance(value, Mapping):
        return {
            without_private(str(key), names, kept): without_private(item, names, kept) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_private(item, names, kept) for item in value]
    return _text(value, names) if isinstance(value, str) and value not in kept else value


def ties(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The names that tie the parts of a slot's manifest and its files together."""
    entries = [*manifest.get("cases", []), *manifest.get("runs", [])]
    found = {manifest.get("figure"), manifest.get("slot"), manifest.get("node", {}).get("id")}
    found |= {entry.get(key) for entry in entries for key in ("case", "session", "run_id", "run", "round")}
    return frozenset(name for name in found if isinstance(name, str))


def _text(text: str, names: Names) -> str:
    for home in sorted(names.homes, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(home)}(?![\w.-])", "~", text)
    for user in names.users:  # as a part of a path or of user@host: "root" is also a word
        text = re.sub(rf"(?<=[/~]){re.escape(user)}(?![\w.-])|(?<![\w.-]){re.escape(user)}(?=[/@])", "user", text)
    text = _base_name(text) if _WHOLE_PATH.fullmatch(text) else _PATH.sub(lambda path: _base_name(path[0]), text)
    for host in sorted(names.hosts, key=len, reverse=True):
        found = re.escape(host)
        text = re.sub(found if len(host) >= _DISTINCTIVE else rf"(?<![\w-]){found}(?![\w-])", "host", text)
    return printable(text)


def _base_name(path: str) -> str:
    return "~" if _A_HOME.fullmatch(path) else path.rstrip("/").rpartition("/")[2] or path
