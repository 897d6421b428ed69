"""The outline that stands before Streamlit's program has drawn anything, and the block before the first answer."""

from collections.abc import Callable

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_assets_routes

from dashboards.common.outline import Outline
from tests.dashboards.conftest import ADMIN

Room = Callable[..., AppTest]
A_PERSON = {"accept": "text/html,application/xhtml+xml", "accept-encoding": "gzip"}


@pytest.fixture(scope="module")
def browser() -> TestClient:
    """The document that the installed Streamlit serves, and answers of other kinds."""

    async def figures(_: Request) -> Response:
        return JSONResponse([1], headers={"etag": "kept"})

    async def login(_: Request) -> Response:
        return HTMLResponse("<form></form>")

    routes = [Route("/figures", figures), Route("/login", login), *create_streamlit_static_assets_routes(None)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Outline), Middleware(GZipMiddleware)]))


@pytest.mark.parametrize("path", ["/", "/live", "/charger?charger=ID-01"])
def test_the_first_answer_of_a_room_holds_the_outline(browser: TestClient, path: str) -> None:
    answer = browser.get(path, headers=A_PERSON)
    root = '<div id="root"></div>'
    assert answer.status_code == 200
    assert '<div class="uv-outline"' in answer.text.split(root)[1]
    assert answer.headers["content-length"] == str(len(answer.content))


def test_the_outline_goes_by_itself_when_the_page_is_there(browser: TestClient) -> None:
    page = browser.get("/", headers=A_PERSON).text
    assert ':has([data-testid="stSidebar"]' in page
    assert "animation: uv-outline-ends 0s 10s forwards" in page


def test_a_document_that_the_browser_kept_is_sent_anew(browser: TestClient) -> None:
    plain = browser.get("/", headers={"accept": "*/*"})
    assert "uv-outline" not in plain.text
    again = browser.get("/", headers=A_PERSON | {"if-none-match": plain.headers["etag"]})
    assert again.status_code == 200
    assert "uv-outline" in again.text
    assert "etag" not in again.headers


@pytest.mark.parametrize(("path", "body"), [("/figures", "[1]"), ("/login", "<form></form>")])
def test_other_answers_stay_as_they_are(browser: TestClient, path: str, body: str) -> None:
    assert browser.get(path, headers=A_PERSON).text == body


def test_a_block_holds_the_place_until_the_first_answer_and_never_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    skeleton = st.delta_generator.DeltaGenerator.skeleton

    def count(self: st.delta_generator.DeltaGenerator, height: int) -> object:
        shown.append(height)
        return skeleton(self, height)

    monkeypatch.setattr(st.delta_generator.DeltaGenerator, "skeleton", count)
    app = room(ADMIN).run()
    assert len(shown) == 2  # the figures of now, and the weeks
    assert not app.get("skeleton")
    app.run()
    assert len(shown) == 2
    app.switch_page("live.py").run()
    assert len(shown) == 3
