"""Waiting for something that a process tree brings about."""

import time
from collections.abc import Callable

from harness.engine.process_tree import Tree

_POLL_S = 0.05  # often enough: starts take a minute, and what is waited for shares this machine's cores


def wait_for(tree: Tree, is_so: Callable[[], bool], limit_s: float) -> bool:
    """Wait until it is so, the first process of the tree has ended, or so long; whether it is so."""
    deadline = time.monotonic() + limit_s
    while not is_so() and tree.running and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return is_so()
