"""The dashboards' own client: tokens are renewed on the server, and every failure has one plain name."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bench.ports import free_port
from dashboards.common import door
from dashboards.common.api import Api, ApiDown, ApiRefused, SignedOut, ask, http
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import ADMIN, OPERATOR, Nation
from tests.support.rooms import sign_in


@pytest.fixture
def signed_in(nation: Nation, dashboards_at: Callable[[str], None]) -> Callable[..., tuple[Api, str]]:
    """A client of a fresh login, and its session's key; `left_s` is what its access token has left."""
    dashboards_at(nation.api_url)

    def enter(email: str = ADMIN, left_s: float = 900) -> tuple[Api, str]:
        login = {**sign_in(nation.api_url, email), "expires_in": left_s}
        key = session_key(door.store(door.CPO).create(login, None))
        return door.api(door.CPO, key), key

    return enter


def test_an_access_token_that_ends_soon_is_renewed_before_the_call(signed_in: Callable[..., tuple[Api, str]]) -> None:
    api, key = signed_in(left_s=5)
    before = door.store(door.CPO).get(key)
    assert api.get("/api/auth/me")["email"] == ADMIN
    after = door.store(door.CPO).get(key)
    assert before is not None
    assert after is not None
    assert after.refresh_token != before.refresh_token
    assert after.access_expires_at > time.time() + 60


def test_renewed_tokens_leave_the_login_where_its_person_is(
    nation: Nation, dashboards_at: Callable[[str], None]
) -> None:
    """Renewed by the dashboard, it stood at the dashboard's own address: strangers who guessed locked its owner out."""
    dashboards_at(nation.api_url)
    login = {**sign_in(nation.api_url, OPERATOR), "expires_in": 5}
    store = door.store(door.CPO)
    api = Api(http(nation.api_url), store, session_key(store.create(login, None)), lambda: "203.0.113.77")
    [mine] = [one for one in api.get("/api/auth/logins")["items"] if one["current"]]
    assert mine["address"] == "203.0.113.77"


def test_many_tabs_renew_once(signed_in: Callable[..., tuple[Api, str]]) -> None:
    api, _ = signed_in(left_s=1)
    with ThreadPoolExecutor(8) as tabs:
        answers = list(tabs.map(lambda _: api.get("/api/auth/me")["email"], range(16)))
    assert answers == [ADMIN] * 16


def test_a_refresh_that_is_refused_ends_the_login(signed_in: Callable[..., tuple[Api, str]]) -> None:
    api, key = signed_in(left_s=1)
    session = door.store(door.CPO).get(key)
    assert session is not None
    door.store(door.CPO).renew(
        session, {"access_token": "dead", "refresh_token": "not a refresh token", "expires_in": 1}
    )
    with pytest.raises(SignedOut):
        api.get("/api/auth/me")
    assert door.store(door.CPO).get(key) is None


def test_signing_out_withdraws_the_tokens_at_the_api(signed_in: Callable[..., tuple[Api, str]], nation: Nation) -> None:
    api, key = signed_in()
    session = door.store(door.CPO).get(key)
    assert session is not None
    api.sign_out()
    assert door.store(door.CPO).get(key) is None
    left = session_key(
        door.store(door.CPO).create(
            {"access_token": "x", "refresh_token": session.refresh_token, "expires_in": 0, "user": session.user}, None
        )
    )
    with pytest.raises(SignedOut):
        door.api(door.CPO, left).get("/api/auth/me")


def test_a_refusal_keeps_its_code_and_its_words(signed_in: Callable[..., tuple[Api, str]]) -> None:
    api, _ = signed_in(OPERATOR)
    with pytest.raises(ApiRefused) as missing:
        api.get("/api/chargers/NOPE")
    assert (missing.value.status, missing.value.code) == (404, "charger_not_found")
    with pytest.raises(ApiRefused) as invalid:
        api.post("/api/client/remote-start", {"charger_id": "X"})
    assert "id_token" in invalid.value.detail


def test_a_silent_api_is_down_not_an_exception_of_the_driver(
    signed_in: Callable[..., tuple[Api, str]], dashboards_at: Callable[[str], None]
) -> None:
    _, key = signed_in()
    dashboards_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ApiDown):
        door.api(door.CPO, key).get("/api/auth/me")


def test_all_pages_of_a_list_are_read_up_to_the_cap(signed_in: Callable[..., tuple[Api, str]], nation: Nation) -> None:
    api, _ = signed_in()
    total = nation.get(ADMIN, "/api/sessions", limit=1, count=True)["total"]
    everything, more = api.pages("/api/sessions", 10_000)
    assert (len(everything), more) == (total, False)
    assert len({row["id"] for row in everything}) == total
    some, more = api.pages("/api/sessions", 30)
    assert (len(some), more) == (30, True)


def test_the_api_is_told_whose_browser_asks(signed_in: Callable[..., tuple[Api, str]], nation: Nation) -> None:
    _, key = signed_in()
    api = Api(http(nation.api_url), door.store(door.CPO), key, lambda: "203.0.113.9")
    made = api.post("/api/apikeys", {"name": "Dari jauh"})

    told = nation.get(ADMIN, "/api/audit", object_id=made["id"])["items"]
    assert [row["address"] for row in told] == ["203.0.113.9"]


def answering(status: int, content: dict[str, str] | str) -> tuple[httpx.Client, list[httpx.Request]]:
    """A server that always says the same, and what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status, **({"text": content} if isinstance(content, str) else {"json": content}))

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api.test"), asked


@pytest.mark.parametrize(("status", "code"), [(507, "storage_full"), (503, "scanner_unavailable")])
def test_a_server_error_that_says_what_to_do_is_passed_on(status: int, code: str) -> None:
    """Whoever was told that the service does not answer pressed again and again."""
    client, _ = answering(status, {"code": code, "detail": "There is no room."})
    with pytest.raises(ApiRefused) as refused:
        ask(client, "POST", "/api/firmware-files")
    assert (refused.value.status, refused.value.code, refused.value.detail) == (status, code, "There is no room.")


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (503, {"code": "database_unavailable", "detail": "busy"}),
        (500, {"code": "internal_error"}),
        (502, "<html>"),
        (502, "[]"),
    ],
)
def test_any_other_server_error_is_no_answer(status: int, content: dict[str, str] | str) -> None:
    with pytest.raises(ApiDown):
        ask(answering(status, content)[0], "GET", "/api/stations")


def test_a_change_without_a_key_is_waited_for(signed_in: Callable[..., tuple[Api, str]]) -> None:
    """The API allows itself 30 s: who gave up after six did not know whether it was done."""
    _, key = signed_in()
    client, asked = answering(200, {})
    api = Api(client, door.store(door.CPO), key)
    api.post("/api/campaigns", {})
    api.post("/api/reservations", {}, idempotency_key="k")
    api.get("/api/campaigns")
    assert [request.extensions["timeout"]["read"] > 30 for request in asked] == [True, False, False]
