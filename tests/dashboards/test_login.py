"""The door: who gets in, who is sent where, and what a browser can never forge."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboards.common import door
from tests.dashboards.conftest import ADMIN, EMSV, OPERATOR, Nation
from tests.support.rooms import PASSWORD

Browser = Callable[..., TestClient]
CLOSED_PORT = "http://127.0.0.1:9"


async def _identity(request: Request) -> JSONResponse:
    return JSONResponse({k: v for k, v in request.headers.items() if k.startswith("x-uniev")})


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(socket.headers.get("x-uniev-user"))
    await socket.close()


@pytest.fixture
def browser(nation: Nation, dashboards_at: Callable[[str], None]) -> Iterator[Browser]:
    """A browser before one of the dashboards; behind the gate stands a page that shows who came in."""
    opened: list[TestClient] = []

    def open_browser(dashboard: door.Dashboard = door.CPO, api_url: str | None = None) -> TestClient:
        dashboards_at(api_url or nation.api_url)
        inner = [Route("/{path:path}", _identity), WebSocketRoute("/_stcore/stream", _socket)]
        app = Starlette(routes=[*door.routes(dashboard), *inner], middleware=door.middleware(dashboard))
        client = TestClient(app, base_url="http://localhost", follow_redirects=False)
        opened.append(client)
        return client

    yield open_browser
    for client in opened:
        client.close()


def enter(client: TestClient, email: str, password: str = PASSWORD, **changes: Any) -> Any:
    """Fills in the form as a browser would; `changes` replace form fields or add headers."""
    page = client.get("/login", params={"next": changes.pop("next", "/")}).text
    fields = dict(re.findall(r'name="(form_token|next)" value="([^"]*)"', page))
    headers = changes.pop("headers", {})
    return client.post("/auth/login", data={**fields, "email": email, "password": password, **changes}, headers=headers)


def test_a_stranger_is_sent_to_the_login_and_comes_back_to_where_they_wanted(browser: Browser) -> None:
    client = browser()
    answer = client.get("/live?station=7", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Flive%3Fstation%3D7")
    entered = enter(client, ADMIN, next="/live?station=7")
    assert (entered.status_code, entered.headers["location"]) == (303, "/live?station=7")
    assert client.get("/live").json()["x-uniev-user"]


def test_programs_and_websockets_without_login_are_refused(browser: Browser) -> None:
    client = browser()
    assert client.get("/geo/stations.json").status_code == 401
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("ws://localhost/_stcore/stream"):
        pass


def test_the_health_check_needs_no_login(browser: Browser) -> None:
    assert browser().get("/_stcore/health").status_code == 200


def test_an_address_that_is_not_allowed_is_told_what_to_do(browser: Browser) -> None:
    client = browser()
    for host, status in (("192.0.2.2:8501", 400), ("evil.example", 400), ("localhost:8501", 200), ("[::1]:8501", 200)):
        answer = client.get("/login", headers={"host": host})
        assert answer.status_code == status, host
    assert "STREAMLIT_SERVER_ALLOWED_HOSTS" in client.get("/login", headers={"host": "192.0.2.2:8501"}).text


def test_the_cookie_is_opaque_and_out_of_reach_of_scripts(browser: Browser) -> None:
    answer = enter(browser(), ADMIN)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("uniev_cpo="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "eyJ" not in "".join(answer.headers.get_list("set-cookie"))  # no JWT in the browser


def test_over_https_the_cookie_is_for_https_alone(browser: Browser) -> None:
    client = browser()
    client.base_url = client.base_url.copy_with(scheme="https")
    answer = enter(client, ADMIN)
    assert all("Secure" in c for c in answer.headers.get_list("set-cookie") if "uniev_cpo=" in c and "=" in c)


def test_identity_headers_of_the_browser_are_thrown_away(browser: Browser) -> None:
    client = browser()
    forged = {"X-Uniev-User": "someone-else", "x-uniev-session": "stolen"}
    assert client.get("/live", headers=forged).status_code == 401
    enter(client, ADMIN)
    seen = client.get("/live", headers=forged).json()
    assert seen["x-uniev-user"] != "someone-else"
    assert seen["x-uniev-session"] != "stolen"


def test_two_people_in_one_process_are_told_apart(browser: Browser) -> None:
    first = browser()
    second = TestClient(first.app, base_url="http://localhost", follow_redirects=False)
    enter(first, ADMIN)
    enter(second, OPERATOR)
    with (
        first.websocket_connect("ws://localhost/_stcore/stream") as one,
        second.websocket_connect("ws://localhost/_stcore/stream") as two,
    ):
        assert one.receive_json() != two.receive_json()


def test_a_wrong_password_is_refused_in_one_sentence(browser: Browser) -> None:
    client = browser()
    answer = enter(client, ADMIN, "not the password")
    assert answer.status_code == 401
    assert "Surel atau kata sandi salah." in answer.text
    assert client.get("/live").status_code == 401


def test_a_form_from_elsewhere_is_refused(browser: Browser) -> None:
    client = browser()
    for changes in ({"form_token": "guessed"}, {"form_token": ""}, {"headers": {"origin": "http://evil.example"}}):
        assert enter(client, ADMIN, **changes).status_code == 403
    assert client.get("/live").status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/login", ""])
def test_the_way_back_never_leads_to_another_site(browser: Browser, target: str) -> None:
    assert enter(browser(), ADMIN, next=target).headers["location"] == "/"


def test_an_emsv_login_is_told_the_address_of_its_own_dashboard(browser: Browser) -> None:
    answer = enter(browser(door.CPO), EMSV)
    assert answer.status_code == 403
    assert "Akun ini milik EMSV. Dasbor EMSV ada di http://localhost:8502" in answer.text


def test_a_cpo_login_is_told_the_address_of_its_own_dashboard(browser: Browser) -> None:
    answer = enter(browser(door.EMSV), ADMIN)
    assert answer.status_code == 403
    assert "Akun ini milik CPO. Dasbor CPO ada di http://localhost:8501" in answer.text


def test_without_the_api_the_login_says_so(browser: Browser) -> None:
    answer = enter(browser(api_url=CLOSED_PORT), ADMIN)
    assert answer.status_code == 503
    assert "Layanan tidak menjawab" in answer.text


def test_the_login_page_speaks_the_language_that_was_chosen(browser: Browser) -> None:
    client = browser()
    assert "Kata sandi" in client.get("/login").text
    assert "Password" in client.get("/login", headers={"accept-language": "en-GB,en;q=0.9"}).text
    assert "Password" in client.get("/login?lang=en").text
    assert "Password" in client.get("/login", headers={"accept-language": "id-ID"}).text


def test_what_was_typed_is_escaped_when_shown_again(browser: Browser) -> None:
    answer = enter(browser(), '"><script>alert(1)</script>@x.id', "wrong")
    assert "<script>" not in answer.text


def test_an_invitation_is_not_called_used_up_while_the_api_is_away(browser: Browser) -> None:
    answer = browser(api_url=CLOSED_PORT).get("/auth/invitation?token=any")
    assert answer.status_code == 503
    assert "Buka halaman ini lagi" in answer.text and "undangan baru" not in answer.text


@pytest.mark.parametrize("path", ["/auth/login", "/auth/forgotten", "/auth/invitation", "/auth/enrolment"])
def test_a_form_of_nobody_known_is_bounded_before_it_is_read(browser: Browser, path: str) -> None:
    """A thousand fields of a megabyte each lay in the memory of the dashboard: no login was needed for it."""
    client = browser()
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 8 * 2**20:
            sent += 2**16
            yield b"&email=" + b"x" * (2**16 - 7)

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post(path, content=endless(), headers=form).status_code == 413
    assert client.post(path, content=b"email=" + b"x" * 2**17, headers=form).status_code == 413


def test_a_form_token_in_any_script_is_only_wrong(browser: Browser) -> None:
    client = browser()
    assert enter(client, ADMIN, form_token="kunci-é-鍵").status_code == 403
    answer = client.post(
        "/register", data={"email": "a@b.test", "form_token": "é"}, cookies={"uniev_register_form": "x"}
    )
    assert answer.status_code == 403
