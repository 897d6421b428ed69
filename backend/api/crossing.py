"""Other origins: which web pages of others may call the API from a browser (CORS). None, unless listed."""

from __future__ import annotations

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_SENT: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-API-Key", "X-Request-ID")
_SHOWN: Final = ("Content-Disposition", "ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Crossing:
    """Answers browsers for the origins in `app.state.origins`, which are known only when the application has begun.

    Credentials travel in headers, never in cookies, so none are allowed to be sent along by themselves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._origins: tuple[str, ...] = ()
        self._guarded = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._listen_to(getattr(scope["app"].state, "origins", ()))
        await self._guarded(scope, receive, send)

    def _listen_to(self, origins: tuple[str, ...]) -> None:
        if origins == self._origins:
            return
        self._origins = origins
        self._guarded = CORSMiddleware(
            self._app, allow_origins=origins, allow_methods=_METHODS, allow_headers=_SENT, expose_headers=_SHOWN,
            max_age=600,
        )  # fmt: skip
