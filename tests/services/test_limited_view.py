"""The "limited user view", on both transports: of a driver a CPO sees name, contact by consent, car, battery, and what
was charged at its own stations; nothing else, whatever it asks the database."""

# ruff: noqa: S608 (only constants of the tests go into the SQL)
from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.database import Database, Scope
from backend.domain.errors import DomainError, NotFound
from backend.services.directory import Directory, build_directory
from backend.services.records import PageRequest
from tests.support.postgres import execute
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import DRIVER, FOREIGNER, OWNER, PERSON, found_nation

HOME, ABROAD = (Scope("cpo_admin", PERSON, cpo_id) for cpo_id in (OWNER, FOREIGNER))
WITHDRAWN = f"""
insert into public.driver_consents (driver_id, purpose, text_version, given, method)
    values ('{DRIVER}', 'contact_sharing', '1', false, 'app')
"""
# The driver charges with a card of the EMSV at the other CPO's, too.
ROAMED = f"""
insert into public.id_tokens (cpo_id, token) values (null, 'ROAM');
insert into public.driver_tokens (driver_id, token_key, held_since)
    values ('{DRIVER}', 'roam', now() - interval '1 day');
insert into public.driver_cpos (driver_id, cpo_id) values ('{DRIVER}', '{FOREIGNER}');
insert into public.sessions (cpo_id, station_id, charger_id, evse_id, connector_id, protocol, id_token, start_key,
        started_at, start_received_at, meter_start_wh)
    values ('{FOREIGNER}', '{FOREIGNER}', 'FOREIGN', 1, 1, 'ocpp1.6', 'ROAM', 'r', now(), now(), 0);
"""


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    """Both transports over the nation."""
    await found_nation(dsn)
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


async def _charged(services: Directory, scope: Scope) -> set[tuple[str, str]]:
    page = await services.drivers.sessions(scope, DRIVER, PageRequest(50))
    return {(session.charger_id, session.id_token) for session in page.items}


async def test_a_cpo_sees_name_contact_car_battery_and_the_history_at_its_own_stations(
    store: Database, dsn: str
) -> None:
    services = build_directory(store, "k" * 40)
    with pytest.raises(NotFound):
        await services.drivers.get(ABROAD, DRIVER)  # they have not met
    await execute(dsn, ROAMED)
    for scope in (HOME, ABROAD):
        seen = (await services.drivers.get(scope, DRIVER)).model_dump(exclude={"created_at", "updated_at"})
        assert seen == {
            "id": DRIVER, "name": "Sari Dewi", "contact": "+62 811 1234567", "car": "Wuling Air ev",
            "battery_wh": 26_700, "erased_at": None,
        }  # fmt: skip
    assert await _charged(services, HOME) == {("OWN", "TAG")}
    assert await _charged(services, ABROAD) == {("FOREIGN", "ROAM")}
    assert len(await _charged(services, Scope("driver", DRIVER))) == 2


async def test_the_contact_goes_with_the_consent(store: Database, dsn: str) -> None:
    services = build_directory(store, "k" * 40)
    await execute(dsn, WITHDRAWN)
    assert (await services.drivers.get(HOME, DRIVER)).contact is None
    assert await store.select("driver_contacts", scope=HOME) == []
    assert (await services.drivers.get(Scope("emsv_admin", PERSON), DRIVER)).contact is not None


@pytest.mark.parametrize("columns", ["user_id", "registered_by", "*"])
async def test_who_the_login_is_and_who_registered_the_driver_is_not_told(store: Database, columns: str) -> None:
    with pytest.raises(DomainError):
        await store.select("drivers", scope=HOME, columns=columns)


async def test_consents_logins_invitations_and_other_cpos_acquaintance_are_not_told(store: Database, dsn: str) -> None:
    await execute(dsn, ROAMED)
    assert await store.select("driver_consents", scope=HOME) == []
    assert await store.select("users", scope=HOME, columns="id", where=[("role", "eq", "driver")]) == []
    assert await store.select("invitations", scope=HOME, columns="id", where=[("role", "eq", "driver")]) == []
    for table in ("driver_cpos", "driver_tokens"):
        assert {row["cpo_id"] for row in await store.select(table, scope=HOME)} == {OWNER}, table
    with pytest.raises(NotFound):
        await store.call("driver_figures", {"p_driver_id": DRIVER}, scope=HOME)
