"""Screens read a page, however large the fleet: three times the stations are not one call or one row more."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from backend.embedded import EmbeddedPostgres
from bench.large_fleet import found_large_fleet
from dashboards.common import door
from dashboards.common.api import http
from dashboards.common.places import OFFERED
from tests.dashboards.conftest import ADMIN, NOC, OTHER_ADMIN, Nation, visit
from tests.support.postgres import fresh_database
from tests.support.rooms import words
from tests.support.servers import api_server, seed_nation

SMALL, LARGE = 60, 180
ROOMS = (None, "live", "sessions", "wall")
CHARGER_ROOMS = (
    "configuration", "firmware", "security", "reservations", "local_lists", "charging_profiles", "message_log",
)  # fmt: skip


@pytest.fixture(scope="module")
def fleets(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nation]:
    """One CPO with 60 stations more, another with 180."""
    with fresh_database(postgres_server) as dsn:
        seed_nation(dsn)
        for name, stations in (("Nusantara Charge", SMALL), ("Khatulistiwa EV", LARGE)):
            asyncio.run(found_large_fleet(dsn, name, stations))
        with api_server(dsn, tmp_path_factory.mktemp("api")) as server:
            yield Nation(dsn, server.url)


class Traffic:
    """What the dashboards ask of the API: calls and list rows by path."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def note(self, reply: httpx.Response) -> None:
        reply.read()
        path = reply.request.url.path
        self.calls[path] += 1
        answer = reply.json() if reply.content else None
        if isinstance(answer, dict) and "items" in answer:
            self.rows[path] += len(answer["items"])


@pytest.fixture
def traffic(fleets: Nation, dashboards_at: Callable[[str], None]) -> Iterator[Callable[..., Traffic]]:
    """Opens a room and tells what it asked for: `traffic(ADMIN, "live")`."""
    dashboards_at(fleets.api_url)
    client = http(fleets.api_url)

    def measure(email: str, page: str | None, **params: str) -> Traffic:
        seen = Traffic()
        dashboard = door.EMSV if email == NOC else door.CPO
        app = visit(dashboard, fleets.api_url, email, page, **params)
        client.event_hooks = {"response": [seen.note]}
        assert not app.run().exception
        client.event_hooks = {}
        return seen

    yield measure
    client.event_hooks = {}


@pytest.mark.parametrize("page", ROOMS)
def test_a_larger_fleet_is_not_one_call_or_row_more(traffic: Callable[..., Traffic], page: str | None) -> None:
    small, large = traffic(ADMIN, page), traffic(OTHER_ADMIN, page)
    assert large.calls.keys() == small.calls.keys()
    # What needs attention is asked for state by state, worst first, until the list is full.
    assert {path: calls for path, calls in large.calls.items() if calls > (3 if path == "/api/connectors" else 1)} == {}
    assert {path: rows for path, rows in large.rows.items() if rows > 100} == {}


@pytest.mark.parametrize("params", [{"q": "besar"}, {"state": "faulted"}, {"q": "LF-", "state": "charging"}])
def test_a_search_reads_a_page_too(traffic: Callable[..., Traffic], params: dict[str, str]) -> None:
    seen = traffic(OTHER_ADMIN, "live", **params)
    assert seen.calls == {"/api/stations/live": 1, "/api/chargers": 1, "/api/connectors": 1}
    assert (seen.rows["/api/stations/live"], seen.rows["/api/chargers"], seen.rows["/api/connectors"]) == (10, 20, 40)


def test_the_nation_is_read_in_three_calls(traffic: Callable[..., Traffic]) -> None:
    calls = traffic(NOC, "nation").calls
    assert calls["/api/analytics/map"] == calls["/api/analytics/dashboard"] == 1
    assert sum(calls.values()) <= 5


def test_the_last_page_of_stations_is_reached_and_holds_the_last(
    fleets: Nation, dashboards_at: Callable[[str], None]
) -> None:
    dashboards_at(fleets.api_url)
    names = [row["name"] for row in _all(fleets, "/api/stations")]
    app = visit(door.CPO, fleets.api_url, ADMIN, "live").run()
    for _ in range(len(names) // 10):
        app.button(key="live_older").click().run()
    assert app.button(key="live_older").disabled
    assert names[-1] in words(app)
    app.button(key="live_newer").click().run()
    assert names[-1] not in words(app)


def test_a_station_beyond_those_offered_is_found_by_typing(
    fleets: Nation, dashboards_at: Callable[[str], None]
) -> None:
    dashboards_at(fleets.api_url)
    wanted = next(row for row in _all(fleets, "/api/stations") if row["name"] == "SPKLU Besar 00055")
    app = visit(door.CPO, fleets.api_url, ADMIN, "sessions").run()
    assert wanted["id"] not in app.selectbox(key="choose_station").options
    app.session_state["station_typed"] = "besar 00055"  # the test runner's box takes no new words
    assert app.run().selectbox(key="choose_station").value == wanted["id"]
    app.session_state["station_typed"] = "no such place"
    app.run()
    assert "Tidak ada stasiun dengan “no such place”" in words(app)


@pytest.mark.parametrize("page", CHARGER_ROOMS)
def test_choosing_a_charger_reads_a_page_of_them(traffic: Callable[..., Traffic], page: str) -> None:
    seen = traffic(OTHER_ADMIN, page)
    assert (seen.calls["/api/chargers"], seen.rows["/api/chargers"]) == (1, OFFERED)


@pytest.mark.parametrize("page", CHARGER_ROOMS)
def test_a_charger_beyond_those_offered_is_reached_by_its_address_and_by_typing(
    fleets: Nation, dashboards_at: Callable[[str], None], page: str
) -> None:
    dashboards_at(fleets.api_url)
    *_, other, last = (row["id"] for row in _all(fleets, "/api/chargers"))
    box = "reserve_charger" if page == "reservations" else "choose_charger"
    app = visit(door.CPO, fleets.api_url, ADMIN, page, charger=last).run()
    assert (app.selectbox(key=box).value, "".join(app.query_params["charger"])) == (last, last)
    assert "Pengisi daya ini tidak ada" not in words(app)
    app.session_state["charger_typed"] = other.lower()  # the test runner's box takes no new words
    app.run()
    assert (app.selectbox(key=box).value, "".join(app.query_params["charger"])) == (other, other)
    app.session_state["charger_typed"] = "no such thing"
    app.run()
    assert "Tidak ada pengisi daya dengan “no such thing”" in words(app)
    assert "".join(app.query_params["charger"]) == other


def _all(nation: Nation, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = nation.get(ADMIN, path, limit=200, **cursor)
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}
