"""Every role of the dashboards walks through every room it is offered, on the demo nation, and is offered no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.texts import say
from tests.dashboards.conftest import ADMIN, Nation, visit
from tests.support.postgres import execute, run_sync
from tests.support.rooms import panels, sign_in, words
from tests.support.servers import ROOT

# One person of each role; nobody of the demo needs a second factor.
HIRED = """
insert into public.users (email, name, role, cpo_id, password_hash, demo)
select r || '@walk.test', r, r, case when r like 'cpo%' then u.cpo_id end, u.password_hash, true
from public.users u cross join unnest(array['emsv_admin', 'emsv_finance', 'noc_analyst', 'cpo_admin', 'cpo_operator',
    'cpo_technician', 'cpo_finance']) as r
where u.email = 'admin@nusantara.demo.uniev.id'
"""
WALKERS = [(dashboard, role) for dashboard in (door.CPO, door.EMSV) for role in sorted(dashboard.roles)]
# A text that was to be looked up or filled in and was not, and what only programs say.
_RAW = re.compile(r"Traceback|\{[a-z_]*\}|urn:uniev|\b(KeyError|TypeError|ValueError)\b|\bNone\b|\bnan\b")


def rooms_of(dashboard: door.Dashboard) -> dict[str, tuple[str, str]]:
    """Every `Room` that the frame names: path in the address → (file, the permission it needs)."""
    frame = ast.parse((ROOT / "dashboards" / dashboard.name / "main.py").read_text("utf-8"))
    calls = [node for node in ast.walk(frame) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Room"]
    written = [[ast.literal_eval(given) for given in call.args[:3]] for call in calls]
    return {url: (file, needs) for file, url, needs in written}


@pytest.fixture(scope="module")
def hired(nation: Nation) -> Iterator[Nation]:
    """The demo nation with somebody in every role; gone afterwards, since other tests share it."""
    run_sync(execute(nation.dsn, HIRED))
    yield nation
    run_sync(execute(nation.dsn, "delete from public.users where email like '%@walk.test'"))


@pytest.fixture(scope="module")
def granted(hired: Nation) -> dict[str, set[str]]:
    """The permission table, as the API sends it."""
    return {one["role"]: set(one["permissions"]) for one in hired.get(ADMIN, "/api/roles")["items"]}


def _named(hired: Nation) -> dict[str, dict[str, str]]:
    """What a room needs in its address to show something."""
    session = hired.get(ADMIN, "/api/sessions", limit=1)["items"][0]
    return {"session": {"session": session["id"]}, "charger": {"charger": session["charger_id"]}}


@pytest.mark.parametrize(("dashboard", "role"), WALKERS, ids=[role for _, role in WALKERS])
def test_a_role_opens_every_room_that_it_is_offered(
    hired: Nation,
    granted: dict[str, set[str]],
    dashboards_at: Callable[[str], None],
    dashboard: door.Dashboard,
    role: str,
) -> None:
    dashboards_at(hired.api_url)
    rooms, named = rooms_of(dashboard), _named(hired)
    app = visit(dashboard, hired.api_url, f"{role}@walk.test", None)
    app.default_timeout = 60
    app.run()
    offered = {url for url, (_, needs) in rooms.items() if not needs or needs in granted[role]}
    assert offered and set(app.session_state["rooms"]) - {""} == offered
    faults = [fault for url in sorted(offered) for fault in _walk(app, url, rooms[url][0], named.get(url, {}))]
    assert faults == []


def _walk(app: AppTest, url: str, file: str, params: dict[str, str]) -> list[str]:
    """Opens a room; what a person there should not have to see."""
    app.query_params.clear()
    for name, value in params.items():
        app.query_params[name] = value
    app.switch_page(file).run()
    said = words(app)
    faults = [f"exception: {one.value}" for one in app.exception] + [f"error: {one.value}" for one in app.error]
    faults += [
        f"raw: {found[0]} in {said[max(0, found.start() - 40) : found.end() + 40]!r}" for found in _RAW.finditer(said)
    ]
    if say("id", "api.down.empty.title") in said:
        faults.append("no answer of the API")
    if not panels(app) and not app.title:
        faults.append("an empty page")
    return [f"{url}: {fault}" for fault in faults]


@pytest.mark.parametrize(("dashboard", "role"), WALKERS, ids=[role for _, role in WALKERS])
def test_a_room_that_is_not_offered_is_not_there(
    hired: Nation,
    granted: dict[str, set[str]],
    dashboards_at: Callable[[str], None],
    dashboard: door.Dashboard,
    role: str,
) -> None:
    dashboards_at(hired.api_url)
    app = visit(dashboard, hired.api_url, f"{role}@walk.test", None)
    app.default_timeout = 60
    app.run()
    for file, needs in rooms_of(dashboard).values():
        if needs and needs not in granted[role]:
            with pytest.raises(ValueError, match="registered"):
                app.switch_page(file)


def test_every_role_of_staff_has_a_dashboard_that_lets_it_in(hired: Nation) -> None:
    roles = {one["role"] for one in hired.get(ADMIN, "/api/roles")["items"] if one["permissions"]}
    assert roles - {"driver", "integrator"} == {role for _, role in WALKERS}
    with pytest.raises(httpx.HTTPStatusError):
        sign_in(hired.api_url, "nobody@walk.test")
