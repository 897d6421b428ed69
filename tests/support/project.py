"""A stand-in for a Supabase project's address: `/rest/v1/…` leads to the real PostgREST, over real HTTP."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.postgrest import PostgREST
from tests.support.waiting import wait_until

_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE"]
_HOP_BY_HOP = {"host", "content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Project:
    """What a user would copy from the project's settings page: SUPABASE_URL and SUPABASE_KEY."""

    url: str
    key: str


@contextmanager
def running_project(postgrest: PostgREST) -> Iterator[Project]:
    """Serves the gateway on a free loopback port."""
    client = httpx.AsyncClient(base_url=postgrest.url)

    async def forward(request: Request) -> Response:
        answer = await client.request(
            request.method,
            f"/{request.path_params['rest']}",
            params=request.url.query,
            headers=_carried(request.headers.items()),
            content=await request.body(),
        )
        return Response(answer.content, answer.status_code, _carried(answer.headers.items()))

    application = Starlette(routes=[Route("/rest/v1/{rest:path}", forward, methods=_METHODS)])
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the project's gateway")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Project(f"http://127.0.0.1:{port}", postgrest.key())
    finally:
        server.should_exit = True
        thread.join(10)


def _carried(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _HOP_BY_HOP}
