"""A stand-in for the file storage of a Supabase project, over real HTTP: private buckets, signed links, ranges."""

import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.waiting import wait_until

KEY = "sb_secret_of_the_tests"
Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Bucket:
    """What the project holds. `url` and `key` are those of its settings page; `limit` its largest file in bytes."""

    url: str = ""
    key: str = KEY
    limit: int = 10_000_000
    public: dict[str, bool] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


def _no(status: int, error: str, message: str) -> Response:
    """As Supabase answers: often 400 on the wire, the true status in the body."""
    return JSONResponse({"statusCode": str(status), "error": error, "message": message}, 400)


class _Api:
    """The routes, over what is held."""

    def __init__(self, held: Bucket) -> None:
        self._held = held

    async def make(self, request: Request) -> Response:
        wanted = await request.json()
        if wanted["id"] in self._held.public:
            return _no(409, "Duplicate", "The resource already exists")
        self._held.public[wanted["id"]] = bool(wanted.get("public"))
        return JSONResponse({"name": wanted["id"]})

    async def upload(self, request: Request) -> Response:
        path = request.path_params["path"]
        if path.split("/")[0] not in self._held.public:
            return _no(404, "Bucket not found", "Bucket not found")
        async with request.form() as form:
            content = await form["file"].read()  # type: ignore[union-attr]
        if len(content) > self._held.limit:
            return _no(413, "Payload too large", "The object exceeded the maximum allowed size")
        if path in self._held.objects:
            return _no(409, "Duplicate", "The resource already exists")
        self._held.objects[path] = content
        return JSONResponse({"Key": path, "Id": token_hex(8)})

    async def sign(self, request: Request) -> Response:
        path = request.path_params["path"]
        if path not in self._held.objects:
            return _no(404, "not_found", "Object not found")
        token = token_hex(8)
        self._held.links[token] = path
        return JSONResponse({"signedURL": f"/object/sign/{path}?token={token}"})

    async def fetch(self, request: Request) -> Response:
        path = request.path_params["path"]
        if self._held.links.get(request.query_params.get("token", "")) != path or path not in self._held.objects:
            return _no(400, "InvalidJWT", "invalid link")
        content = self._held.objects[path]
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
        if not found:
            return Response(content)
        start, end = int(found[1]), min(int(found[2]), len(content) - 1)
        told = {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
        return Response(content[start : end + 1], 206, told)

    async def remove(self, request: Request) -> Response:
        gone = [f"{request.path_params['path']}/{name}" for name in (await request.json())["prefixes"]]
        return JSONResponse([{"name": name} for name in gone if self._held.objects.pop(name, None) is not None])

    def guarded(self, handler: Handler) -> Handler:
        """Asks for the key first."""

        async def handle(request: Request) -> Response:
            if request.headers.get("apikey") != self._held.key:
                return _no(403, "Unauthorized", "invalid key")
            return await handler(request)

        return handle


def _application(held: Bucket) -> Starlette:
    api, root = _Api(held), "/storage/v1"
    return Starlette(
        routes=[
            Route(f"{root}/bucket", api.guarded(api.make), methods=["POST"]),
            Route(f"{root}/object/sign/{{path:path}}", api.guarded(api.sign), methods=["POST"]),
            Route(f"{root}/object/sign/{{path:path}}", api.fetch, methods=["GET"]),
            Route(f"{root}/object/{{path:path}}", api.guarded(api.upload), methods=["POST"]),
            Route(f"{root}/object/{{path:path}}", api.guarded(api.remove), methods=["DELETE"]),
        ]
    )


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """Serves an empty project on a free loopback port."""
    held = Bucket()
    server = uvicorn.Server(uvicorn.Config(_application(held), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the bucket")
    held.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield held
    finally:
        server.should_exit = True
        thread.join(10)
