"""How long a handler may take before its answer begins. Statements and bodies have bounds of their own."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.problems import MEDIA_TYPE, problem_document

ANSWER_TIME_S: Final = 30.0
"""Until an answer begins, without the time in which the body comes. What has begun may go on: exports, files."""
_RETRY_S: Final = 5
_log = logging.getLogger("uniev.api")


class Timely:
    """Pure ASGI: gives a handler up that takes too long, answers 503 `answer_too_slow`, and cancels it.

    What it had asked of the database is one statement: committed, or undone. The same Idempotency-Key tells which.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._ending: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _Limit()

        async def receive_unhurried() -> Message:
            limit.stop()
            try:
                return await receive()
            finally:
                limit.start()

        async def send_in_time(message: Message) -> None:
            if limit.over.done():
                return  # what a handler says that was given up
            limit.begun = True
            limit.stop()
            await send(message)

        handler = asyncio.ensure_future(self._handle(scope, receive_unhurried, send_in_time))
        try:
            await asyncio.wait({handler, limit.over}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            handler.cancel()
            raise
        finally:
            limit.stop()
        if not handler.done():
            self._give_up(handler, scope)
            return await _too_slow(send, scope)
        handler.result()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _give_up(self, handler: asyncio.Task[None], scope: Scope) -> None:
        """Cancelled, but not waited for: whoever cleans up behind it may take its time, too."""
        _log.warning("%s %s took too long", scope["method"], scope["path"])
        self._ending.add(handler)
        handler.add_done_callback(self._ended)
        handler.cancel()

    def _ended(self, handler: asyncio.Task[None]) -> None:
        self._ending.discard(handler)
        if not handler.cancelled():
            handler.exception()  # nobody is left to hear of it


class _Limit:
    """The clock of one request; `over` when its time has come. It stands while a body is awaited."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.begun = False
        self.start()

    def start(self) -> None:
        if not self.begun and not self.over.done():
            self._timer = self._loop.call_later(ANSWER_TIME_S, self.over.set_result, None)

    def stop(self) -> None:
        self._timer.cancel()


async def _too_slow(send: Send, scope: Scope) -> None:
    detail = "The answer took too long, and was given up. Repeat the request, with the same Idempotency-Key if any."
    request_id: str | None = scope.get("state", {}).get("request_id")
    body = json.dumps(problem_document(503, "answer_too_slow", detail, request_id=request_id)).encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(_RETRY_S).encode()),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
