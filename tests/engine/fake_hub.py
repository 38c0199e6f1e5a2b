"""A model hub on this machine, as far as huggingface_hub talks to one: listing, access, files, ranges, accidents."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

COMMIT = "13afe5124825b4f3751f836b40dafda64c1ed062"


@dataclass
class Repository:
    """What the hub holds under one name."""

    files: dict[str, bytes]
    gated: bool = False  # and this account has no access
    commit: str = COMMIT


@dataclass
class FakeHub:
    """Repositories by name, what goes wrong, and what was asked for."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)  # files that arrive with another last byte
    cut: dict[str, int] = field(default_factory=dict)  # file → how often its transfer breaks off half way
    stalled: set[str] = field(default_factory=set)  # files whose transfer begins and does not go on
    status: int | None = None  # answer everything with it
    ending: threading.Event = field(default_factory=threading.Event)
    sent: list[tuple[str, int]] = field(default_factory=list)  # file, first byte

    def names_sent(self) -> list[str]:
        """Files that were transferred, in sorted order."""
        return sorted(name for name, _ in self.sent)


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Answer on a free port until the end of the block."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.ending.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        if self.hub.status is not None:
            return self._refuse(self.hub.status)
        api = parts[:2] == ["api", "models"]
        name, rest = ("/".join(parts[2:4]), parts[4:]) if api else ("/".join(parts[:2]), parts[2:])
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._refuse(404, "RepoNotFound")
        if rest[:1] in (["revision"], ["tree"], ["resolve"]) and rest[1] not in ("main", repository.commit):
            return self._refuse(404, "RevisionNotFound")
        if repository.gated and rest[:1] in (["auth-check"], ["resolve"]):
            return self._refuse(403, "GatedRepo")
        if rest[:1] == ["resolve"]:
            return self._file(repository, rest[2])
        if rest[:1] == ["tree"]:
            return self._json([{"type": "file", "path": each.pop("rfilename"), **each} for each in _files(repository)])
        gated = "manual" if repository.gated else False
        return self._json({"id": name, "sha": repository.commit, "gated": gated, "siblings": _files(repository)})

    do_HEAD = do_GET

    def _file(self, repository: Repository, name: str) -> None:
        content = repository.files[name]
        if name in self.hub.damaged:
            content = content[:-1] + b"~"
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("ETag", f'"{_hash(name, repository.files[name])}"')
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.hub.sent.append((name, begin))
        content = content[begin:]
        if self.hub.cut.get(name, 0) > 0:
            self.hub.cut[name] -= 1
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content[:1])
        while name in self.hub.stalled and not self.hub.ending.is_set():
            self.hub.ending.wait(0.02)
        with suppress(OSError):  # of somebody who did not wait
            self.wfile.write(content[1:])

    def _json(self, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        body = b'{"error": "several\\nlines and https://signed.example/?secret"}'
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _files(repository: Repository) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for name, content in repository.files.items():
        git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git, "oid": git}
        if _large(name):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": sha256, "oid": sha256, "size": len(content), "pointerSize": 130}
        listed.append(entry)
    return listed


def _large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def _hash(name: str, content: bytes) -> str:
    if _large(name):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
