"""The demo nation: complete, believable, the same again, and built once."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from backend.database import SYSTEM, DirectDatabase
from backend.domain.caller import Visitor
from backend.services.demo import DEMO_PASSWORD, DEMO_PEOPLE, seed_demo
from backend.services.demo.history import DAYS, build_history
from backend.services.demo.nation import CPOS, FLEET_TOKENS, LAB_TOKEN, Nation, build_nation
from backend.services.directory import build_directory
from backend.services.logins import Login
from backend.services.records import PageRequest
from backend.services.sessions import SessionFilter

NOW = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
RATED = {"AC": (7_400, 22_000), "DC": (60_000, 120_000, 200_000)}


@pytest.fixture(scope="module")
def nation() -> Nation:
    return build_nation(NOW)


def test_the_nation_covers_every_site_and_operator(nation: Nation) -> None:
    assert len(nation.stations) == 61
    assert len({station.province for station in nation.stations}) == 38
    assert len({station.cpo_id for station in nation.stations}) == len(CPOS) == 3
    assert all(2 <= len(station.chargers) <= 4 for station in nation.stations)
    assert nation.charger_count >= 150


def test_every_charger_is_one_that_could_stand_there(nation: Nation) -> None:
    chargers = [charger for station in nation.stations for charger in station.chargers]
    assert len({charger.id for charger in chargers}) == len(chargers)
    for charger in chargers:
        assert re.fullmatch(r"ID-[A-Z]{3}\d\d-[1-4]|SIM-[1-3]", charger.id)
        assert charger.rated_power_w in RATED[charger.current_type]
        assert charger.connector_count in (1, 2)


def test_tokens_fit_ocpp_and_some_are_blocked_or_expired(nation: Nation) -> None:
    assert len(nation.tokens) == 121
    assert all(len(token.token) <= 20 for token in nation.tokens)
    assert Counter(token.status for token in nation.tokens) == {"active": 112, "blocked": 9}
    expired = [token for token in nation.tokens if token.expires_at and token.expires_at < NOW]
    assert len(expired) == 6
    national = {token.token: token for token in nation.tokens if token.cpo_id is None}
    assert set(national) == {*FLEET_TOKENS, LAB_TOKEN}
    assert all(token.status == "active" and token.expires_at is None for token in national.values())


def test_the_same_seed_gives_the_same_history(nation: Nation) -> None:
    assert build_history(nation, NOW, 1) == build_history(build_nation(NOW), NOW, 1)
    assert build_history(nation, NOW, 1).sessions != build_history(nation, NOW, 2).sessions


def test_the_history_is_physically_possible(nation: Nation) -> None:
    rated = {charger.id: charger.rated_power_w for station in nation.stations for charger in station.chargers}
    busy_until: dict[tuple[str, int], datetime] = {}
    register: dict[tuple[str, int], float] = {}
    sessions = build_history(nation, NOW, 1).sessions
    assert 3_000 < len(sessions) < 8_000
    for session in sessions:
        plug = (session["charger_id"], session["evse_id"])
        begin, end = (datetime.fromisoformat(session[name]) for name in ("started_at", "stopped_at"))
        assert NOW - timedelta(days=DAYS + 1) < begin < end < NOW
        assert begin >= busy_until.get(plug, begin)
        busy_until[plug] = end
        hours = (end - begin).total_seconds() / 3600
        assert 0 <= session["energy_wh"] <= rated[session["charger_id"]] * hours
        assert session["meter_start_wh"] >= register.get(plug, 0)
        register[plug] = session["meter_start_wh"]
        held = session["review_reasons"] == ["register_back"]
        assert held == (session["meter_stop_wh"] < session["meter_start_wh"])


def test_readings_rise_from_the_start_register_to_the_stop_register(nation: Nation) -> None:
    history = build_history(nation, NOW, 1)
    by_session: dict[str, list[float]] = {}
    for reading in history.readings:
        by_session.setdefault(reading["session_id"], []).append(reading["energy_wh"])
    checked = 0
    for session in history.sessions:
        energies = by_session.get(session["id"])
        if energies and not session["review_reasons"]:
            assert energies == sorted(energies)
            assert (energies[0], energies[-1]) == (session["meter_start_wh"], session["meter_stop_wh"])
            checked += 1
    assert checked > 300


async def test_the_seed_fills_an_empty_platform_once(database: DirectDatabase) -> None:
    report = await seed_demo(database)
    assert (report.fresh, report.cpos, report.stations, report.id_tokens) == (True, 3, 61, 121)
    services = build_directory(database, "a secret of the tests, long enough")
    found = await services.sessions.list(SYSTEM, PageRequest(1), SessionFilter(), count=True)
    days = await services.analytics.energy(SYSTEM, DAYS + 2)
    assert found.total == report.sessions == sum(day.sessions + day.held_sessions for day in days)
    for person in DEMO_PEOPLE:
        login = await services.people.logins.login(person.email, DEMO_PASSWORD, Visitor())
        assert isinstance(login, Login)
        assert login.user.role == person.role
    assert (await seed_demo(database)).fresh is False


async def test_an_interrupted_seed_is_completed(database: DirectDatabase) -> None:
    report = await seed_demo(database, now=NOW)
    where = [("email", "eq", DEMO_PEOPLE[-1].email)]
    await database.delete("users", scope=SYSTEM, where=where)
    again = await seed_demo(database, now=NOW)
    assert again == report
    assert len(await database.select("users", scope=SYSTEM)) == len(DEMO_PEOPLE)


async def test_what_people_changed_survives_the_next_start(database: DirectDatabase) -> None:
    await seed_demo(database)
    where = [("name", "eq", CPOS[0])]
    await database.update("cpos", {"status": "suspended"}, scope=SYSTEM, where=where)
    await seed_demo(database)
    assert (await database.select("cpos", scope=SYSTEM, where=where))[0]["status"] == "suspended"
