"""What replicas' engines have cached, for a router: their KV events, followed over ZMQ, and prompts as tokens.

The engine publishes at ``<events folder>/<replica id>`` (worker_server.py). A socket may be connected before the engine
binds it. Events are read when a decision asks: they are few (one a scheduler step), and so no thread is needed.

Source: vLLM 0.32.0 ``distributed/kv_events.py``. A message is topic, sequence number, msgpack of an event batch
(time, events, rank), whose events say their type: they are read without importing vLLM.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import zmq
from ray.serve._private.common import ReplicaID
from ray.serve.request_router import PendingRequest
from tokenizers import Tokenizer

from experiments.prefix_routing.worker_cache_index import CacheIndex
from experiments.prefix_routing.worker_prompt import text_of


class ExactCaches:
    """Follows the replicas that the router knows. ``tokenizer``: the model's tokenizer.json."""

    def __init__(self, events_folder: str, tokenizer: str, block_size: int) -> None:
        self._folder, self._block_size = events_folder, block_size
        self._tokenizer = Tokenizer.from_file(tokenizer)
        self._index = CacheIndex()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._next: dict[str, int] = {}
        self.missed = 0  # batches that were lost before the socket was connected, or to a full queue

    def follow(self, replicas: Sequence[ReplicaID]) -> None:
        """These are the replicas there are."""
        names = {each.unique_id for each in replicas}
        for gone in self._sockets.keys() - names:
            self._sockets.pop(gone).close(linger=0)
            self._index.drop(gone)
        for name in sorted(names - self._sockets.keys()):
            socket = zmq.Context.instance().socket(zmq.SUB)
            socket.set_hwm(100_000)
            socket.subscribe(b"")
            socket.connect(events_endpoint(self._folder, name))
            self._sockets[name], self._next[name] = socket, 0

    def matches(self, pending: PendingRequest, replicas: Sequence[ReplicaID]) -> tuple[int, dict[ReplicaID, int]]:
        """Tokens of the prompt, and how many of them each replica has cached."""
        self._read()
        text = text_of(pending)
        tokens = [] if text is None else self._tokenizer.encode(text).ids
        return len(tokens), {each: self._index.matched(each.unique_id, tokens, self._block_size) for each in replicas}

    def blocks(self, replica: ReplicaID) -> int:
        """How many different contents the replica has cached, as of the last reading."""
        return self._index.blocks(replica.unique_id)

    def _read(self) -> None:
        for name, socket in self._sockets.items():
            while socket.poll(0):
                _, number, content = socket.recv_multipart()
                at = int.from_bytes(number, "big")
                self.missed += at - self._next[name]
                self._next[name] = at + 1
                _, events, *_ = msgspec.msgpack.decode(content)
                for event in events:
                    self._apply(name, event)

    def _apply(self, name: str, event: dict[str, Any]) -> None:
        if event["type"] == "BlockStored":
            parent, tokens = event["parent_block_hash"], event["token_ids"]
            self._index.stored(name, event["block_hashes"], parent, tokens, event["block_size"])
        elif event["type"] == "BlockRemoved":
            self._index.removed(name, event["block_hashes"])
        elif event["type"] == "AllBlocksCleared":
            self._index.drop(name)


def events_endpoint(folder: str, replica: str) -> str:
    """Where a replica's engine publishes its events."""
    return f"ipc://{folder}/{replica}"
