"""Files over HTTP(S), as a charger fetches firmware and hands in diagnostics."""

from __future__ import annotations

import ssl
from datetime import datetime
from typing import Protocol

import httpx

TIMEOUT_S = 30.0
LARGEST_BYTES = 64 * 1024 * 1024
_OTHER_METHOD = {404, 405, 501}


class TransferFailed(Exception):
    """The file did not pass; the text says why."""


class Trust(Protocol):
    """Whom a charger believes on TLS."""

    def ssl_context(self) -> ssl.SSLContext:
        """The context for connections of its own."""


async def download(url: str, trust: Trust) -> bytes:
    """Fetch a file. Raises TransferFailed: no http(s) address, refused, too large, cut off."""
    kept = bytearray()
    try:
        async with _client(url, trust) as client, client.stream("GET", url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise TransferFailed(f"HTTP {answer.status_code}")
            async for piece in answer.aiter_bytes():
                kept += piece
                if len(kept) > LARGEST_BYTES:
                    raise TransferFailed("the file is too large")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransferFailed(f"{type(error).__name__}: {error}") from error
    return bytes(kept)


async def upload(url: str, name: str, data: bytes, trust: Trust) -> None:
    """Hand a file in: PUT to the address, or a form by POST where that is refused. Raises TransferFailed."""
    try:
        async with _client(url, trust) as client:
            answer = await client.put(url, content=data, headers={"Content-Type": "text/plain"})
            if answer.status_code in _OTHER_METHOD:
                answer = await client.post(url, files={"file": (name, data, "text/plain")})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransferFailed(f"{type(error).__name__}: {error}") from error
    if not answer.is_success:
        raise TransferFailed(f"HTTP {answer.status_code}")


def _client(url: str, trust: Trust) -> httpx.AsyncClient:
    if not url.startswith(("http://", "https://")):
        raise TransferFailed("only http and https are spoken here")
    verify: ssl.SSLContext | bool = trust.ssl_context() if url.startswith("https://") else True
    return httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=verify)


def stamp(moment: datetime) -> str:
    """A time in a file name."""
    return moment.strftime("%Y%m%dT%H%M%SZ")
