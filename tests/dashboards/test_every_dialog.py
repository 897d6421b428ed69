"""Every dialog opens for every role of staff that its room is offered to; what fails in one breaks nothing else."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from bench.ports import free_port
from dashboards.common import door
from dashboards.common.api_keys import _ASKING as KEY_ASKED
from dashboards.common.people import _ASKING as PERSON_ASKED
from dashboards.common.people import DEEDS as PERSON_DEEDS
from dashboards.cpo import deeds, orders, rulings, safeguards
from dashboards.emsv.personal_deeds import _ASKING as DRIVER_ASKED
from tests.dashboards.conftest import ADMIN, EMSV, Nation, visit
from tests.dashboards.test_every_role_every_room import HIRED, rooms_of
from tests.support.postgres import execute, run_sync
from tests.support.rooms import words
from tests.support.servers import ROOT

Asked = tuple[str, Any]
CPO_ROLES, EMSV_ROLES = sorted(door.CPO.roles), sorted(door.EMSV.roles)
DEED_NAMES = (
    "cancel_reservation", "list_full", "list_differential", "list_version", "clear_cache", "delete_profile",
    "clear_profile", "clear_profiles", "composite_1", "read_configuration", "delete_template", "delete_firmware",
)  # fmt: skip


@pytest.fixture(scope="module")
def hired(nation: Nation) -> Iterator[Nation]:
    """The demo nation with somebody in every role; gone afterwards, since other tests share it."""
    run_sync(execute(nation.dsn, HIRED))
    yield nation
    run_sync(execute(nation.dsn, "delete from public.users where email like '%@walk.test'"))


def of_a_cpo(nation: Nation) -> Iterator[tuple[str, dict[str, str], Asked]]:
    """Room, address, and what the pressed button left behind."""
    charger = str(nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"])
    person = nation.get(ADMIN, "/api/users", limit=1)["items"][0]
    held = nation.get(ADMIN, "/api/sessions/reviews", limit=1)["items"][0]
    for kind in orders.KINDS:
        order = orders.Order(kind, charger, "Stasiun", evse_id=1, connector="1", session=_PLUG)
        yield "charger", {"charger": charger}, (orders._ASKING, order)
    for name in DEED_NAMES:
        deed = deeds.Deed(name, charger, "POST", "/nowhere")
        yield "firmware", {"charger": charger}, (deeds._ASKING, deed)
    for kind in safeguards._ICONS:
        yield "security", {"charger": charger}, (safeguards._ASKING, safeguards.Measure(kind, charger))
    for decision in ("approve", "correct", "void"):
        ruling = rulings.Ruling(decision, held, "note", held["energy_wh"], {}, held["id"])
        yield "held", {}, (rulings._ASKING, ruling)
    yield from of_any_house(person)


def of_the_emsv(nation: Nation) -> Iterator[tuple[str, dict[str, str], Asked]]:
    driver = nation.post(EMSV, "/api/drivers", {"name": "Made"})
    for name in ("consent", "invite", "withdraw", "erase"):
        yield "personal_data", {"driver": driver["id"]}, (DRIVER_ASKED, (name, driver))
    rule = nation.get(EMSV, "/api/normalising-rules", limit=1)["items"][0]
    for name in ("on", "off", "delete"):
        yield "firmware_rules", {}, ("rule_asked", (name, rule))
    yield from of_any_house(nation.get(EMSV, "/api/users", limit=1)["items"][0])


def of_any_house(person: dict[str, Any]) -> Iterator[tuple[str, dict[str, str], Asked]]:
    for name in ("invite", *PERSON_DEEDS):
        yield "people", {}, (PERSON_ASKED, (name, person))
    for name in ("make", "rotate", "revoke"):
        yield "api_keys", {}, (KEY_ASKED, (name, {"id": "x", "name": "Key", "prefix": "uk_"}))


_PLUG = {"session_id": "00000000-0000-4000-8000-000000000000", "id_token": "TAG", "energy_wh": 1, "power_w": 2}


def opened(app: AppTest, file: str, params: dict[str, str], asked: Asked) -> AppTest:
    """The room as it is drawn when a button was pressed."""
    app.query_params.clear()
    for name, value in params.items():
        app.query_params[name] = value
    app.session_state[asked[0]] = asked[1]
    return app.switch_page(file).run()


@pytest.mark.parametrize("role", CPO_ROLES + EMSV_ROLES)
def test_a_role_opens_every_dialog_of_its_rooms(hired: Nation, dashboards_at: Callable[[str], None], role: str) -> None:
    dashboards_at(hired.api_url)
    dashboard = door.CPO if role in CPO_ROLES else door.EMSV
    granted = {one["role"]: set(one["permissions"]) for one in hired.get(ADMIN, "/api/roles")["items"]}[role]
    app = visit(dashboard, hired.api_url, f"{role}@walk.test", None)
    app.default_timeout = 60
    app.run()
    rooms, faults, seen = rooms_of(dashboard), [], 0
    for url, params, asked in of_a_cpo(hired) if dashboard is door.CPO else of_the_emsv(hired):
        file, needs = rooms[url]
        if needs in granted:
            opened(app, file, params, asked)
            seen += 1
            faults += [f"{url} {asked}: {one.value}" for one in (*app.exception, *app.error)]
            assert asked[0] not in app.session_state, "nobody opened it"
    assert faults == []
    assert seen or role == "emsv_finance"  # reads alone


def test_a_technician_types_the_token_that_is_to_pay(hired: Nation, dashboards_at: Callable[[str], None]) -> None:
    dashboards_at(hired.api_url)
    charger = str(hired.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"])
    app = visit(door.CPO, hired.api_url, "cpo_technician@walk.test", None).run()
    order = orders.Order("start", charger, "Stasiun", evse_id=1, connector="1")
    opened(app, "charger.py", {"charger": charger}, (orders._ASKING, order))
    assert app.text_input(key="start_token").value == ""
    assert app.button(key="confirm").disabled
    assert "Linimasa" in words(app)  # the room below the dialog is drawn


def test_what_a_dialog_cannot_read_is_said_in_it_and_the_room_stays(
    nation: Nation, dashboards_at: Callable[[str], None]
) -> None:
    dashboards_at(f"http://127.0.0.1:{free_port()}")
    st.cache_data.clear()
    app = visit(door.CPO, nation.api_url, ADMIN, None)
    charger = str(nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"])
    opened(app.run(), "charger.py", {"charger": charger}, (orders._ASKING, orders.Order("reset", charger, "Stasiun")))
    assert not app.exception
    assert "Layanan data tidak menjawab" in words(app)
    assert "Linimasa" in words(app)


def test_dialogs_are_opened_in_one_way_alone() -> None:
    elsewhere = [
        file.name
        for file in (ROOT / "dashboards").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "dialog" and file.name != "forgiving.py"
    ]
    assert elsewhere == []
