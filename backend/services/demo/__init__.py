"""Fills an empty platform with the demo nation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from backend.database import MAX_ROWS, Database
from backend.domain.scope import SYSTEM
from backend.services.demo.history import History, build_history
from backend.services.demo.nation import (
    CPOS,
    DEFAULT_SEED,
    DEMO_PASSWORD,
    DEMO_PEOPLE,
    DemoStation,
    Nation,
    build_nation,
    demo_id,
)
from backend.services.judging import Judge
from backend.services.passwords import Passwords

__all__ = ["DEMO_PASSWORD", "DEMO_PEOPLE", "SeedReport", "seed_demo"]

_VENDOR: Final = "UNIEV Demo"
_READING_GAP_S: Final = 7200


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What the demo nation holds. `fresh` False: it stood already and nothing was changed."""

    fresh: bool
    cpos: int = 0
    stations: int = 0
    chargers: int = 0
    id_tokens: int = 0
    sessions: int = 0


async def seed_demo(database: Database, *, now: datetime | None = None, seed: int = DEFAULT_SEED) -> SeedReport:
    """Fills in the nation once; its history ends at `now`.

    The logins come last: while they are missing, an interrupted seed is done again over what there is. With
    them the nation stands, and what people changed since is left alone.
    """
    if await _stands(database):
        await _exempt(database)
        return SeedReport(fresh=False)
    now = now or datetime.now(UTC)
    nation = build_nation(now, seed)
    history = build_history(nation, now, seed)
    cpos = [{"id": demo_id("cpo", name), "name": name} for name in CPOS]
    await _write(database, "cpos", cpos, on=["id"])
    await _write(database, "stations", [_station_row(station) for station in nation.stations], on=["id"])
    await _write(database, "chargers", list(_charger_rows(nation)), on=["id"])
    await _write(database, "connectors", list(_connector_rows(nation)), on=["charger_id", "evse_id", "connector_id"])
    await _write(database, "id_tokens", list(_token_rows(nation)), on=["id"])
    await _write_history(database, history)
    await _write(database, "users", await _user_rows(), on=["id"])
    return SeedReport(
        True, len(cpos), len(nation.stations), nation.charger_count, len(nation.tokens), len(history.sessions)
    )


async def _stands(database: Database) -> bool:
    where = [("id", "in", [demo_id("user", user.email) for user in DEMO_PEOPLE])]
    rows = await database.select("users", scope=SYSTEM, columns="id", where=where)
    return len(rows) == len(DEMO_PEOPLE)


async def _exempt(database: Database) -> None:
    """People of a demo that was seeded before there was a second factor go on without one."""
    where = [("id", "in", [demo_id("user", user.email) for user in DEMO_PEOPLE]), ("demo", "eq", False)]
    await database.update("users", {"demo": True}, scope=SYSTEM, where=where, columns="id")


async def _write(database: Database, table: str, rows: Sequence[dict[str, Any]], on: Sequence[str]) -> None:
    for first in range(0, len(rows), MAX_ROWS):
        part = rows[first : first + MAX_ROWS]
        await database.upsert(table, part, scope=SYSTEM, on=on, columns="")


async def _write_history(database: Database, history: History) -> None:
    await _write(database, "sessions", history.sessions, on=["start_key"])
    await _write(database, "meter_values", history.readings, on=["session_id", "measured_at", "digest"])
    await Judge(database, _READING_GAP_S).judge()
    days = {(row["station_id"], row["stopped_at"][:13]): row["stopped_at"] for row in history.sessions}
    ended = [{"station_id": station_id, "stopped_at": at} for (station_id, _), at in days.items()]
    await database.call("refresh_station_days", {"p_rows": ended}, scope=SYSTEM)


def _station_row(station: DemoStation) -> dict[str, Any]:
    return {
        "id": station.id,
        "cpo_id": station.cpo_id,
        "name": station.name,
        "city": station.city,
        "province": station.province,
        "latitude": station.latitude,
        "longitude": station.longitude,
        "timezone": station.timezone,
        "site_type": station.site_type,
    }


def _charger_rows(nation: Nation) -> Iterator[dict[str, Any]]:
    for station in nation.stations:
        for charger in station.chargers:
            yield {
                "id": charger.id,
                "cpo_id": station.cpo_id,
                "station_id": station.id,
                "name": charger.name,
                "vendor": _VENDOR,
                "model": charger.model,
                "current_type": charger.current_type,
                "rated_power_w": charger.rated_power_w,
            }


def _connector_rows(nation: Nation) -> Iterator[dict[str, Any]]:
    for station in nation.stations:
        for charger in station.chargers:
            for evse_id in range(1, charger.connector_count + 1):
                yield {
                    "charger_id": charger.id,
                    "evse_id": evse_id,
                    "connector_id": 1,
                    "cpo_id": station.cpo_id,
                }


def _token_rows(nation: Nation) -> Iterator[dict[str, Any]]:
    for token in nation.tokens:
        yield {
            "id": demo_id("token", token.token),
            "cpo_id": token.cpo_id,
            "token": token.token,
            "kind": token.kind,
            "status": token.status,
            "expires_at": token.expires_at.isoformat() if token.expires_at else None,
            "holder_name": token.holder_name,
        }


async def _user_rows() -> list[dict[str, Any]]:
    passwords = Passwords()
    return [
        {
            "id": demo_id("user", user.email),
            "email": user.email,
            "name": user.name,
            "role": user.role,
            "cpo_id": demo_id("cpo", user.cpo) if user.cpo else None,
            "password_hash": await passwords.hash(DEMO_PASSWORD),
            "demo": True,
        }
        for user in DEMO_PEOPLE
    ]
