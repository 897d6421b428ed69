"""A place on the loopback from which chargers fetch files, and where they leave theirs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Files:
    """`offered` files by path; `received` what was put or posted, by path; `requests` "METHOD path" in order.

    A path in `forms_only` refuses PUT with 405; one in `closed` refuses everything with 403.
    """

    url: str
    offered: dict[str, bytes] = field(default_factory=dict)
    received: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    forms_only: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.requests.append(f"{method} {path}")
        if path in self.closed:
            return 403, b""
        if method == "GET":
            return (200, self.offered[path]) if path in self.offered else (404, b"")
        if method == "PUT" and path in self.forms_only:
            return 405, b""
        self.received[path] = body
        return 201, b""


@contextlib.asynccontextmanager
async def file_server() -> AsyncIterator[Files]:
    """Runs for the length of the block."""
    files = Files("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                status, body = files.answer(*head.split(" ")[:2], await _body(reader, head))
                length = f"content-length: {len(body)}"
                writer.write(f"HTTP/1.1 {status} .\r\n{length}\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        files.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield files


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    lines = head.lower().splitlines()
    length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length")), 0)
    return await reader.readexactly(length)
