"""The fake server: installed as ``vllm/server.py``, which the fake ``bin/vllm`` runs; never imported from here.

``vllm serve MODEL`` with the options that say where it answers, and ``--delay SECONDS`` before that. It starts the fake
engine core, then answers in its main thread: /health with 503 once and with 200 from then on, /v1/models,
/v1/completions. Modes, besides those of the fake package: never_healthy (503 for ever) · mute (healthy, and completions
fail) · no_token · ends (exit code 0 before it answers) · deaf (ignores SIGTERM) · taken (its port is).
"""

import json
import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import vllm


class Server(HTTPServer):
    """Listens at a port or at a Unix socket, and answers until it is told to end."""

    def __init__(self, mode, host, port, uds):
        self.mode, self.asked, self.ended, self.timeout = mode, 0, False, 0.02
        self.address_family = socket.AF_UNIX if uds else socket.AF_INET6 if ":" in host else socket.AF_INET
        signal.signal(signal.SIGTERM, self.end if mode != "deaf" else signal.SIG_IGN)
        super().__init__(uds or (host, port), Handler)

    def server_bind(self):
        if self.mode == "taken":
            raise OSError(98, "Address already in use")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)

    def end(self, *_):
        self.ended = True

    def serve(self):
        while not self.ended:
            self.handle_request()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            self.server.asked += 1
            healthy = self.server.asked > 1 and self.server.mode != "never_healthy"
            return answer_healthy(self) if healthy else self.answer(503)
        if self.path == "/v1/models":
            return self.answer(200, {"data": [{"id": "fake"}]})
        return self.answer(404)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.mode == "mute":
            return self.answer(500)
        return self.answer(200, {"usage": {"completion_tokens": 0 if self.server.mode == "no_token" else 1}})

    def answer(self, status, document=None):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_):
        pass


def answer_healthy(handler):
    handler.answer(200)


def options_of(arguments):
    """Each option's last value, a configuration file's before those of the command line."""
    found = {}
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, given = name.partition("=")
        if name.startswith("--"):
            found[name[2:].replace("_", "-")] = given if equals else value
    if "config" in found:
        with open(found["config"]) as file:
            found = {**dict(line.strip().split(": ") for line in file), **found}
    return found


def set_up(mode, options):
    time.sleep(float(options.get("delay", 0)))
    return Server(mode, options.get("host", "127.0.0.1"), int(options.get("port", 8000)), options.get("uds"))


def main():
    arguments = sys.argv[1:]
    print("INFO 11-20 12:00:00.000 [server.py:1] arguments:", arguments, os.environ.get("VLLM_API_KEY"), flush=True)
    control = vllm._control()
    mode = vllm.MODE = vllm._next_mode(control)
    caches = {name: vllm._files(os.environ[name]) for name in vllm.CACHES}
    vllm._note("start", arguments=arguments, environ=dict(os.environ), cwd=os.getcwd(), caches=caches)
    vllm.read_config(mode)
    core = vllm.Core()
    core.start(mode, control["compiles"], control["processes"])
    core.wait()
    if mode != "ends":
        set_up(mode, options_of(arguments)).serve()
