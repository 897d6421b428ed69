"""A session that is held: its charger took the odometer as zero."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import asyncpg

from backend.database import DirectDatabase
from backend.services.judging import Judge

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
_LATER = timedelta(seconds=1)
_PLUGS = itertools.count(100)


async def odd_session(dsn: str, owner: str) -> str:
    """One at the first charger of this person's CPO, with readings that know better; its id."""
    store = await asyncpg.connect(dsn)
    ended, plug = BEGIN + timedelta(minutes=30), next(_PLUGS)
    session_id = await store.fetchval(
        "insert into public.sessions (cpo_id, station_id, charger_id, evse_id, connector_id, protocol, id_token, "
        "start_key, started_at, start_received_at, meter_start_wh, stopped_at, stop_received_at, stop_claimed_at, "
        "meter_stop_wh, energy_wh) select cpo_id, station_id, id, $6, 1, 'ocpp1.6', 'ODD', gen_random_uuid(), $1, $2, "
        "0, $3, $4, $3, 912000, 912000 from public.chargers "
        "where cpo_id = (select cpo_id from public.users where email = $5) order by id limit 1 returning id",
        BEGIN, BEGIN + _LATER, ended, ended + _LATER, owner, plug,
    )  # fmt: skip
    await store.executemany(
        "insert into public.meter_values (charger_id, evse_id, connector_id, session_id, measured_at, received_at, "
        "energy_wh, digest) select charger_id, 1, 1, id, $2, $2, $3, 1 from public.sessions where id = $1",
        [(session_id, BEGIN + timedelta(minutes=10 * n), 910_000 + 1000 * (n - 1)) for n in (1, 2)],
    )
    await store.close()
    database = await DirectDatabase.open(dsn)
    await Judge(database, 7200).judge()
    await database.close()
    return str(session_id)
