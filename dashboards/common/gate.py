"""Nobody without a login gets past this: HTTP pages, data routes and Streamlit's websocket alike."""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboards.common.sessions import LoginSession, SessionStore, session_key

# What Streamlit reads into `st.user` (server.trustedUserHeaders). A browser must never set them.
USER_HEADER = b"x-uniev-user"
SESSION_HEADER = b"x-uniev-session"
_TRUSTED = {USER_HEADER, SESSION_HEADER}
# Streamlit's own program files are the same for everybody and hold nothing of anybody.
_PUBLIC = ("/login", "/auth/", "/register", "/_stcore/health", "/static/")


class Gate:
    """Pure ASGI middleware. Puts the identity of a valid login cookie into the trusted headers.

    `hosts`: names this dashboard answers to (`server.allowedHosts`); none means any.
    """

    def __init__(self, app: ASGIApp, store: SessionStore, cookie: str, hosts: Sequence[str] = ()) -> None:
        self._app, self._store, self._cookie = app, store, cookie
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        if not self._knows(Headers(scope=scope).get("host", "")):
            return await _wrong_host(scope, receive, send)
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _TRUSTED]
        session = self._session(Headers(raw=headers).get("cookie", ""))
        if session and session.must_enrol and not scope["path"].startswith(_PUBLIC):
            return await _refuse(scope, receive, send, to="/auth/enrolment")
        if session:
            headers += [(USER_HEADER, session.user_id.encode()), (SESSION_HEADER, session.key.encode())]
        elif not scope["path"].startswith(_PUBLIC):
            return await _refuse(scope, receive, send)
        await self._app({**scope, "headers": headers}, receive, send)

    def _knows(self, host: str) -> bool:
        """Streamlit refuses its websocket for other names without a word; so better say it on the page."""
        name = urlsplit(f"//{host}").hostname or ""
        return not self._hosts or name in self._hosts or bool({f"*.{name.partition('.')[2]}", "*"} & self._hosts)

    def _session(self, header: str) -> LoginSession | None:
        value = cookie_parser(header).get(self._cookie)
        return self._store.get(session_key(value)) if value else None


async def _refuse(scope: Scope, receive: Receive, send: Send, to: str = "") -> None:
    """To `to`, or the login page for a person, 401 for a program, closed for a websocket."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4401, "reason": "signed out"})
        return
    headers = Headers(scope=scope)
    if scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", ""):
        query = scope.get("query_string", b"").decode("latin-1")
        target = quote(scope["path"] + (f"?{query}" if query else ""), safe="")
        response: PlainTextResponse | RedirectResponse = RedirectResponse(to or f"/login?next={target}", 303)
    else:
        response = PlainTextResponse("signed out", 401)
    response.headers["Cache-Control"] = "no-store"
    await response(scope, receive, send)


async def _wrong_host(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4400, "reason": "unknown host"})
        return
    words = "This dashboard does not know this address. Add the name to STREAMLIT_SERVER_ALLOWED_HOSTS.\n"
    await PlainTextResponse(words, 400)(scope, receive, send)
