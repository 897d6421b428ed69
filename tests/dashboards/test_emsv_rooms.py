"""The rooms of the EMSV dashboard against the real API, and the map's data behind the same gate."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from backend.database import SYSTEM, DirectDatabase
from dashboards.common import door
from dashboards.common import formats as f
from dashboards.common.sessions import session_key
from dashboards.emsv import geo
from tests.dashboards.conftest import ADMIN, EMSV, NOC, Nation
from tests.support.rooms import panels, sign_in, words

Room = Callable[..., AppTest]


@pytest.mark.parametrize("page", ["nation", "operators", "approvals"])
@pytest.mark.parametrize("email", [EMSV, NOC])
@pytest.mark.parametrize("language", ["id", "en"])
def test_every_room_opens_for_both_roles_in_both_languages(room: Room, page: str, email: str, language: str) -> None:
    app = room(email, page).run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception
    assert app.segmented_control(key="choose_language").value == language


def test_the_nation_shows_the_figures_of_the_api(room: Room, nation: Nation) -> None:
    figures = nation.get(EMSV, "/api/analytics/dashboard")
    text = words(room(NOC).run())
    assert f"Unit daring 0 / {figures['chargers']['total']}" in text
    assert f"Log OCPP terbuang {figures['log']['dropped_total']}" in text
    assert f"Peta Indonesia dengan {len(figures['stations'])} stasiun" in text


def test_the_map_asks_nobody_outside_and_takes_its_data_by_address(room: Room) -> None:
    deck = json.loads(room(NOC).run().get("deck_gl_json_chart")[0].proto.json)
    sources = [layer["data"] for layer in deck["layers"]]
    assert deck.get("mapProvider") is None
    assert "http" not in json.dumps(deck)
    assert all(source.startswith("/geo/") for source in sources)
    assert "stations.json?v=" in sources[-1]


def test_the_box_beside_the_map_shows_one_station(room: Room, nation: Nation) -> None:
    station = nation.get(EMSV, "/api/stations", limit=1)["items"][0]
    app = room(NOC, "nation", station=station["id"]).run()
    assert not app.exception
    assert station["name"] in words(app)
    assert f.zone_letters(station["timezone"]) in words(app)


def test_every_cpo_is_listed_with_its_stations(room: Room, nation: Nation) -> None:
    text = words(room(NOC, "operators").run())
    names = [row["name"] for row in nation.get(EMSV, "/api/cpos")["items"]]
    assert len(names) >= 3
    assert all(name in text for name in names)


def test_an_analyst_may_look_at_approvals_and_no_more(room: Room) -> None:
    app = room(NOC, "approvals").run()
    assert "Hanya administrator EMSV" in words(app)
    assert "Tidak ada yang menunggu" in words(app)


def test_a_discovered_charger_is_approved_into_a_station(room: Room, nation: Nation) -> None:
    asyncio.run(_discover(nation.dsn, "NEW-CHARGER-1"))
    station = nation.get(EMSV, "/api/stations", limit=1)["items"][0]
    app = room(EMSV, "approvals").run()
    assert "NEW-CHARGER-1" in words(app)
    app.selectbox(key="approve_charger").set_value("NEW-CHARGER-1")
    app.selectbox(key="choose_station").set_value(station["id"])
    app.button(key="approve").click().run()
    assert not app.exception
    assert "disetujui" in words(app)
    charger = nation.get(EMSV, "/api/chargers/NEW-CHARGER-1")
    assert (charger["registration"], charger["station_id"]) == ("accepted", station["id"])


async def _discover(dsn: str, identity: str) -> None:
    """What the OCPP server does when an unknown charger announces itself."""
    database = await DirectDatabase.open(dsn)
    try:
        row = {"id": identity, "registration": "pending", "discovered": True}
        await database.insert("chargers", [row], scope=SYSTEM)
    finally:
        await database.close()


@pytest.fixture
def map_client(nation: Nation, dashboards_at: Callable[[str], None]) -> Callable[[str | None], TestClient]:
    """A browser that is signed in as somebody (or not), before the map's routes."""
    dashboards_at(nation.api_url)

    def client(email: str | None) -> TestClient:
        app = Starlette(routes=geo.routes(), middleware=door.middleware(door.EMSV))
        cookies = {}
        if email:
            cookies[door.EMSV.cookie] = door.store(door.EMSV).create(sign_in(nation.api_url, email), None)
        return TestClient(app, base_url="http://localhost", cookies=cookies)

    return client


def test_the_map_data_are_every_station_with_coordinates(map_client: Any, nation: Nation) -> None:
    points = map_client(NOC).get("/geo/stations.json").json()
    known = nation.get(EMSV, "/api/analytics/dashboard")["stations"]
    assert {point["i"] for point in points} == {row["id"] for row in known if row["latitude"] is not None}
    assert all(-12 < point["p"][1] < 8 and 94 < point["p"][0] < 142 for point in points)


def test_nobody_without_an_emsv_login_gets_the_map_data(map_client: Any) -> None:
    assert map_client(None).get("/geo/stations.json").status_code == 401
    assert map_client(ADMIN).get("/geo/stations.json").status_code == 403
    forged = {"x-uniev-session": session_key("made up"), "x-uniev-user": "me"}
    assert map_client(None).get("/geo/stations.json", headers=forged).status_code == 401


def test_outlines_and_symbols_come_from_our_own_files(map_client: Any) -> None:
    client = map_client(NOC)
    for name in ("indonesia", "region"):
        shapes = client.get(f"/geo/outline/{name}.json").json()["features"]
        assert len(shapes) > 10
        assert all(shape["geometry"]["coordinates"] for shape in shapes)
    assert client.get("/geo/outline/../../settings.json").status_code == 404
    atlas = client.get("/geo/atlas.svg")
    assert atlas.headers["content-type"].startswith("image/svg")
    assert atlas.text.count("<svg") == len(geo.NAMES) + 1


def test_an_empty_panel_is_never_drawn_without_words(room: Room) -> None:
    assert all(len(panel) > 20 for panel in panels(room(NOC).run()))
