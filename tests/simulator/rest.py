"""A REST API that gives prepared answers, on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit


@contextlib.asynccontextmanager
async def rest_api(answers: dict[str, dict[str, Any]]) -> AsyncIterator[str]:
    """Serve `answers` by "METHOD path" or "METHOD path cursor"; everything else is 401. Yields the base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (int(line.split(":")[1]) for line in head.lower().splitlines() if "content-length" in line), 0
                )
                await reader.readexactly(length)
                writer.write(_answer(head, answers))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _answer(head: str, answers: dict[str, dict[str, Any]]) -> bytes:
    method, target, _version = head.splitlines()[0].split(" ")
    parts = urlsplit(target)
    cursor = parse_qs(parts.query).get("cursor", [""])[0]
    found = answers.get(f"{method} {parts.path} {cursor}".strip())
    body = json.dumps(found or {"code": "unauthorized"}).encode()
    status = "200 OK" if found else "401 Unauthorized"
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
