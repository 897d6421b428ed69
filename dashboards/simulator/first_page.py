"""An address that is no page of the simulator leads to the first one; Streamlit would say in English that it is not
there."""

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PAGES = frozenset({"/", "/history"})


class FirstPage:
    """Pure ASGI middleware, for what a person opens; programs and Streamlit's own files pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_a_page(scope) and scope["path"] not in PAGES:
            return await RedirectResponse("/", 303)(scope, receive, send)
        await self._app(scope, receive, send)


def _is_a_page(scope: Scope) -> bool:
    """A person's browser asks for pages with these words, for styles, pictures and data with others."""
    path, accepted = scope["path"], Headers(scope=scope).get("accept", "")
    return "text/html" in accepted and "." not in path and not path.startswith("/_stcore")
