"""The API behind a network that loses answers: what was asked arrives and is done, and nobody hears of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

_KEPT_BACK = ("connection", "content-length", "host", "transfer-encoding")


@dataclass
class Change:
    """A request that changes something, as it passed."""

    path: str
    key: str | None
    body: bytes


@dataclass
class Lossy:
    """`lose` answers to changes are still to be lost; `changes` holds every change that passed."""

    url: str = ""
    lose: int = 0
    changes: list[Change] = field(default_factory=list)


@contextmanager
def lossy(api_url: str) -> Iterator[Lossy]:
    """A relay on a port of its own before the API."""
    relay = Lossy()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            sent = {name: value for name, value in self.headers.items() if name.lower() not in _KEPT_BACK}
            reply = client.request(self.command, self.path, content=body, headers=sent)
            if self.command != "GET":
                relay.changes.append(Change(self.path, self.headers.get("Idempotency-Key"), body))
                if relay.lose:
                    relay.lose -= 1
                    self.close_connection = True
                    return
            self.send_response(reply.status_code)
            self.send_header("content-type", reply.headers.get("content-type", ""))
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    with (
        httpx.Client(base_url=api_url, trust_env=False, timeout=30) as client,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
    ):
        relay.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield relay
        server.shutdown()
        thread.join(30)
