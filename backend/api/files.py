"""What chargers fetch and upload by links that end. No login: the link is the secret, and is never logged."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from backend.api.bodies import SLASH
from backend.api.dependencies import Services
from backend.api.forms import FirstFile
from backend.domain.errors import FileTooLarge

router = APIRouter(prefix="/files", include_in_schema=False)
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Counted(StreamingResponse):
    """Content whose bytes are counted as they leave; told at the end, also when the charger breaks off."""

    def __init__(
        self, content: AsyncIterator[bytes], status: int, headers: dict[str, str], media_type: str,
        told: Callable[[int], Awaitable[None]],
    ) -> None:  # fmt: skip
        super().__init__(self._count(content), status, headers, media_type)
        self._told = told
        self._left = 0

    async def _count(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in content:
            yield piece
            self._left += len(piece)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._told(self._left)


@router.api_route("/firmware/{token}", methods=["GET", "HEAD"])
@router.api_route("/firmware/{token}/{name}", methods=["GET", "HEAD"])
async def fetch_firmware(services: Services, request: Request, token: str) -> Response:
    """The file, or the part asked for: chargers go on where a lost connection left them."""
    file = await services.file_links.download(token)
    etag = f'"{file.sha256}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "Content-Disposition": "attachment"}
    headers["X-Accel-Buffering"] = "no"  # a proxy that takes all at once would hide how far the charger is
    asked = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        asked = None  # the part in the charger's hands is of another file
    part = _part(asked, file.size_bytes)
    if part is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{file.size_bytes}"})
    start, length = part
    headers["Content-Length"] = str(length)
    partial = length < file.size_bytes
    if partial:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{file.size_bytes}"
    status, media_type = 206 if partial else 200, "application/octet-stream"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    content = await services.file_links.content(file, start, length)
    return Counted(content, status, headers, media_type, lambda left: services.file_links.served(token, start, left))


@router.api_route("/uploads/{token}", methods=["PUT", "POST"])
@router.api_route("/uploads/{token}/{name:path}", methods=["PUT", "POST"])
async def upload_log(services: Services, request: Request, token: str, name: str | None = None) -> Response:
    """Takes a log, raw or as a form. The link works once; a broken upload may be repeated."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else None
    limit = await services.file_links.may_upload(token, size)
    name = (name or "").replace(SLASH, "/")
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        form = FirstFile(content_type, request.stream())
        await services.file_links.upload(token, name, _named(form), limit)
    else:
        if size is not None and size > limit:
            raise FileTooLarge(f"A file has at most {limit} bytes here.")
        await services.file_links.upload(token, name, request.stream(), limit)
    return Response(status_code=200)


async def _named(form: FirstFile) -> AsyncIterator[bytes]:
    async for piece in form:
        yield piece


def _part(asked: str | None, size: int) -> tuple[int, int] | None:
    """(start, length) of the wanted bytes; None if there are no such. What is not understood asks for all."""
    match = _RANGE.fullmatch((asked or "").replace(" ", ""))
    if match is None or match[0] == "bytes=-":
        return 0, size
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    return (start, end - start + 1) if start <= end else None
