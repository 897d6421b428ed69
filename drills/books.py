"""The chargers' books beside the platform's: nothing acknowledged is lost, nothing stands twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx

from drills.checks import Check
from drills.crew import Crew
from drills.platform import Platform, TookTooLong, until
from simulator import BookedSession

EVENTS_WITHIN_S = 60.0
_SESSIONS = "select transaction_id, charger_id, meter_start_wh, meter_stop_wh, energy_wh from public.sessions"
_READINGS = """
select s.transaction_id, m.energy_wh::bigint as energy_wh, count(*) as times
from public.meter_values m join public.sessions s on s.id = m.session_id
where m.context = 'Sample.Periodic' group by 1, 2
"""
_EVENTS = """
select count(*) filter (where topic = 'session.started') as started,
    count(distinct payload ->> 'session_id') filter (where topic = 'session.ended') as ended
from public.outbox
"""


async def books_agree(platform: Platform, crew: Crew) -> list[Check]:
    """Every session and reading of the books against SQL and REST, when all chargers have delivered everything."""
    ours = {row["transaction_id"]: row for row in await platform.rows(_SESSIONS)}
    booked = {one.transaction_id: one for one in crew.sessions if one.start_acknowledged}
    checks = [*_sessions(ours, booked, crew), *_readings(await platform.rows(_READINGS), booked)]
    async with platform.api() as api:
        checks.append(await _rest(api, booked))
    return [*checks, await _events(platform, booked)]


def _sessions(ours: dict[int, Any], booked: dict[int | None, BookedSession], crew: Crew) -> list[Check]:
    lost = booked.keys() - ours.keys()
    strange = ours.keys() - booked.keys()
    twice = sum(one.start_acknowledged for one in crew.sessions) - len(booked)
    differing = [
        number
        for number, one in booked.items()
        if number in ours
        and (one.charger_id, one.meter_start_wh, one.meter_stop_wh, one.energy_wh)
        != tuple(ours[number][name] for name in ("charger_id", "meter_start_wh", "meter_stop_wh", "energy_wh"))
    ]
    stored_wh = sum(row["energy_wh"] or 0 for row in ours.values())
    metered_wh = sum(one.energy_wh for one in booked.values())
    undelivered = [one for one in crew.sessions if one.given_up or not one.stop_acknowledged]
    return [
        Check("no acknowledged session is lost", not lost, f"{len(lost)} of {len(booked):,} lost"),
        Check("no session stands twice", not strange and not twice, f"{len(strange)} unknown, {twice} shared"),
        Check("each session stands as the charger lived it", not differing, f"{len(differing)} differ"),
        Check("energy equals the meters", stored_wh == metered_wh > 0,
              f"{stored_wh / 1000:,.3f} kWh stored, {metered_wh / 1000:,.3f} kWh metered"),
        Check("every session was delivered", not undelivered, f"{len(undelivered)} not"),
    ]  # fmt: skip


def _readings(rows: list[Any], booked: dict[int | None, BookedSession]) -> list[Check]:
    stored = Counter({(row["transaction_id"], row["energy_wh"]): row["times"] for row in rows})
    sent = Counter((number, one.energy_wh) for number, session in booked.items() for one in session.readings)
    acknowledged = Counter(
        (number, one.energy_wh) for number, session in booked.items() for one in session.readings if one.acknowledged
    )
    lost, doubled = acknowledged - stored, stored - sent
    return [
        Check("no acknowledged reading is lost", not lost, f"{lost.total()} of {acknowledged.total():,} lost"),
        Check("no reading stands twice", not doubled, f"{doubled.total()} too many"),
    ]


async def _rest(api: httpx.AsyncClient, booked: dict[int | None, BookedSession]) -> Check:
    """What the API lists is what the chargers booked."""
    count, energy_wh, cursor = 0, 0, None
    while True:
        parameters = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        reply = await api.get("/api/sessions", params=parameters)
        reply.raise_for_status()
        answer = reply.json()
        count += len(answer["items"])
        energy_wh += sum(item["energy_wh"] for item in answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    metered_wh = sum(one.energy_wh for one in booked.values())
    return Check("the API lists the same sessions and energy", (count, energy_wh) == (len(booked), metered_wh),
                 f"{count:,} sessions, {energy_wh / 1000:,.1f} kWh")  # fmt: skip


async def _events(platform: Platform, booked: dict[int | None, BookedSession]) -> Check:
    """Each start was announced once and each end at all (again, when the true end comes after one we assumed)."""

    async def relayed() -> bool:
        return not await platform.rows("select 1 from public.outbox where published_at is null limit 1")

    try:
        await until(relayed, "every event is relayed", EVENTS_WITHIN_S)
    except TookTooLong as late:
        return Check("every event is relayed", False, str(late))
    [row] = await platform.rows(_EVENTS)
    right = row["started"] == row["ended"] == len(booked)
    return Check("every event is relayed", right, f"{row['started']:,} starts, {row['ended']:,} ends")
