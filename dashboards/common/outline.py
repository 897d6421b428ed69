"""The outline of a page, in its very first answer: it stands at once, before Streamlit's program has been read and has
drawn anything. It goes when the sidebar or any element of the page is there, by style alone."""

from pathlib import Path
from string import Template

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FOLDER = Path(__file__).parent
_BRAND = (_FOLDER.parent / "assets" / "brand.svg").read_text("utf-8")
_OUTLINE = Template((_FOLDER / "outline.html").read_text("utf-8")).substitute(brand=_BRAND).encode()
# Where Streamlit's program draws. Without this place an answer is passed on as it is.
_PLACE = b'<div id="root"></div>'


class Outline:
    """Pure ASGI middleware, behind the gate. Puts the outline into the one HTML document that Streamlit serves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepted = dict(scope.get("headers", ())).get(b"accept", b"")
        if scope["type"] != "http" or scope["method"] != "GET" or b"text/html" not in accepted:
            return await self._app(scope, receive, send)
        # Plain, whole and new: what is compressed, a part, or "not modified" has no place for an outline.
        unwanted = (b"accept-encoding", b"range", b"if-none-match", b"if-modified-since")
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in unwanted]
        await self._app({**scope, "headers": headers}, receive, _Painter(send))


class _Painter:
    """Holds an HTML answer back until it is whole; everything else passes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_html(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._whole(self._start)
        else:
            await self._send(message)

    async def _whole(self, start: Message) -> None:
        body = self._body.replace(_PLACE, _PLACE + _OUTLINE, 1)
        headers = MutableHeaders(raw=start["headers"])
        headers["content-length"] = str(len(body))
        for name in ("etag", "last-modified"):  # those of the document without an outline
            del headers[name]
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


def _is_html(start: Message) -> bool:
    headers = MutableHeaders(raw=start["headers"])
    return headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers
