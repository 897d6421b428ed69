"""Identities as chargers may have them, with every character that means something in an address."""

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.api import route
from dashboards.common.sessions import session_key
from dashboards.cpo.orders import KINDS, Order
from tests.dashboards.conftest import ADMIN, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import panels, sign_in, words

# `ODD` is what a careless path makes of the next ones.
ODD = ("ODD", "ODD#2", "ODD/1", "ODD?a=1", "ODD%232", "ODD 1", "..")


@pytest.fixture
def chargers(nation: Nation) -> Iterator[None]:
    """One of each, named by its place in the list."""
    station = nation.get(ADMIN, "/api/stations", limit=1)["items"][0]["id"]
    for place, identity in enumerate(ODD):
        about = {"current_type": "AC", "rated_power_w": 22_000, "connector_count": 1, "name": f"Aneh {place}"}
        nation.post(ADMIN, "/api/chargers", {"id": identity, "station_id": station, **about})
    yield
    run_sync(execute(nation.dsn, "delete from public.chargers where name like 'Aneh %'"))


@pytest.mark.usefixtures("chargers")
def test_the_api_answers_for_the_very_charger(nation: Nation, dashboards_at: Callable[[str], None]) -> None:
    dashboards_at(nation.api_url)
    api = door.api(door.CPO, session_key(door.store(door.CPO).create(sign_in(nation.api_url, ADMIN), None)))
    for place, identity in enumerate(ODD):
        found = api.get(route("chargers", identity))
        assert (found["id"], found["name"]) == (identity, f"Aneh {place}")
        assert api.get(route("chargers", identity, "security"))["profile"] == 0


@pytest.mark.usefixtures("chargers")
@pytest.mark.parametrize("identity", ODD[1:])
def test_the_page_and_its_buttons_are_of_the_very_charger(room: Callable[..., AppTest], identity: str) -> None:
    """The page of `ODD#2` showed charger `ODD`, and its buttons acted upon that one."""
    app = room(ADMIN, "charger", charger=identity).run()
    assert not app.exception
    assert f"Aneh {ODD.index(identity)}" in "".join(panels(app))
    assert "Pengisi daya ini tidak ada" not in words(app)


def test_no_part_of_a_path_reaches_into_another() -> None:
    assert route("chargers", "CP#2", "security") == "/api/chargers/CP%232/security"
    assert route("chargers", "a/../b?c%") == "/api/chargers/a%2F..%2Fb%3Fc%25"
    assert route("chargers", "..", "x") == "/api/chargers/%2E%2E/x"
    reset = Order("reset", "CP#2", "–")
    assert KINDS["reset"].path(reset) == "/api/chargers/CP%232/commands/Reset"
