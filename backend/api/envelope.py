"""What surrounds every request: its id, a bound on its body, and the last catch for our own faults."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.bodies import SLASH
from backend.api.problems import MEDIA_TYPE, problem_document
from backend.domain.rates import Allowance

MAX_BODY_BYTES: Final = 256 * 1024
MAX_LIST_BYTES: Final = 4 * 1024 * 1024  # SendLocalList has room for its 10,000 entries, however they are written
BODY_TIME_S: Final = 30.0
"""For the whole of a body; files go by the next one."""
STANDSTILL_S: Final = 60.0
"""Between two pieces of a file."""
REQUEST_ID_HEADER: Final = "X-Request-ID"
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_DOCS: Final = ("/docs", "/docs/oauth2-redirect")
_DOCS_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'"
)
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_ENCODED_SLASH: Final = re.compile(rb"%2f", re.IGNORECASE)
_STREAMED: Final = ("/api/firmware-files", "/files/uploads/", "/api/cpo/register/documents/")
_log = logging.getLogger("uniev.api")


class Envelope:
    """Pure ASGI: gives each request an id (or keeps a well-formed one) and answers crashes with a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _keep_encoded_slashes(scope)
        offered = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = offered if _ACCEPTED_ID.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def send_marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _mark(MutableHeaders(scope=message), scope)
            await send(message)

        try:
            body = _paced(receive) if _streams(scope) else _bounded(receive, _most_bytes(scope))
            await self._app(scope, body, send_marked)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"], extra={"request_id": request_id})
            if begun:
                raise
            await _fail(send_marked, request_id)


def _streams(scope: Scope) -> bool:
    """Files come piece by piece, with a bound of their own."""
    path: str = scope["path"]
    return scope["method"] in ("POST", "PUT") and path.startswith(_STREAMED)


def _most_bytes(scope: Scope) -> int:
    path: str = scope["path"]
    return MAX_LIST_BYTES if path.endswith("/commands/SendLocalList") else MAX_BODY_BYTES


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    """Counts the body as it comes; raises HTTPException 413 if it is too large, 408 if it takes too long.

    What is still on its way is taken off the line first, up to MAX_LIST_BYTES: a client that is cut off while it sends
    sees a broken connection instead of the answer.
    """
    size, whole = 0, False
    ends = asyncio.get_running_loop().time() + BODY_TIME_S

    async def receive_counted() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()  # waits for the client to go
        message = await _in_time(receive, ends - asyncio.get_running_loop().time())
        whole = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size <= most_bytes:
            return message
        while message.get("more_body") and size <= MAX_LIST_BYTES:
            message = await receive()
            size += len(message.get("body", b""))
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {most_bytes} bytes.")

    return receive_counted


def _paced(receive: Receive) -> Receive:
    """A file may take its time, but not stand still; raises HTTPException 408."""
    whole = False

    async def receive_paced() -> Message:
        nonlocal whole
        message = await receive() if whole else await _in_time(receive, STANDSTILL_S)
        whole = not message.get("more_body", False)
        return message

    return receive_paced


async def _in_time(receive: Receive, left_s: float) -> Message:
    try:
        return await asyncio.wait_for(receive(), max(left_s, 0))
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time.") from error


def _keep_encoded_slashes(scope: Scope) -> None:
    """Identities may contain a slash: `/api/chargers/CP%2F1` names the charger `CP/1`, not a deeper path."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" in raw.lower():
        kept = _ENCODED_SLASH.sub(quote(SLASH).encode(), raw.split(b"?")[0])
        scope["path"] = unquote(kept.decode("latin-1"))


def _mark(headers: MutableHeaders, scope: Scope) -> None:
    """What every answer bears. Nothing of ours belongs into another's frame or page; only `/docs` runs scripts."""
    allowance: Allowance | None = scope["state"].get("allowance")
    headers[REQUEST_ID_HEADER] = scope["state"]["request_id"]
    headers.setdefault("Content-Security-Policy", _DOCS_POLICY if scope["path"] in _DOCS else _POLICY)
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if allowance is not None:  # draft-ietf-httpapi-ratelimit-headers
        rate = allowance.rate
        headers["RateLimit-Policy"] = f'"{allowance.name}";q={rate.requests};w={rate.period_s}'
        headers["RateLimit"] = f'"{allowance.name}";r={allowance.remaining};t={allowance.reset_s}'
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")


async def _fail(send: Send, request_id: str) -> None:
    document = problem_document(500, "internal_error", "Something went wrong on our side.", request_id=request_id)
    body = json.dumps(document).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
