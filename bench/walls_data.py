"""Sessions of many CPOs, written straight into the tables: what the session list must bear."""

from __future__ import annotations

from typing import Any

import asyncpg

from backend.database import Scope

# $1: how many CPOs; each has ten stations of four chargers.
_PLACES = (
    "insert into public.cpos (id, name) select md5('cpo' || n)::uuid, 'CPO ' || n from generate_series(1, $1::int) n",
    """
    insert into public.stations (id, cpo_id, name)
    select md5('station' || n || '-' || k)::uuid, md5('cpo' || n)::uuid, 'SPKLU ' || k
    from generate_series(1, $1::int) n, generate_series(1, 10) k
    """,
    """
    insert into public.chargers (id, cpo_id, station_id, current_type, rated_power_w)
    select 'W-' || n || '-' || k || '-' || c, md5('cpo' || n)::uuid, md5('station' || n || '-' || k)::uuid, 'DC', 60000
    from generate_series(1, $1::int) n, generate_series(1, 10) k, generate_series(1, 4) c
    """,
    """
    insert into public.users (id, cpo_id, email, name, role, password_hash)
    select md5('user' || n)::uuid, md5('cpo' || n)::uuid, n || '@walls.invalid', 'Operator', 'cpo_operator', 'none'
    from generate_series(1, $1::int) n
    union all
    select md5('nation')::uuid, null, 'nation@walls.invalid', 'Analyst', 'noc_analyst', 'none'
    """,
)
# $1: how many CPOs, $2: how many sessions in all; they begin one after another, the CPOs by turns.
_SESSIONS = """
insert into public.sessions (cpo_id, station_id, charger_id, evse_id, connector_id, protocol, id_token, start_key,
    started_at, start_received_at, meter_start_wh, stopped_at, stop_received_at, meter_stop_wh, energy_wh, stop_reason,
    last_register_wh, verdict, billable_energy_wh, billable_started_at, billable_stopped_at)
select md5('cpo' || c)::uuid, md5('station' || c || '-' || k)::uuid, 'W-' || c || '-' || k || '-' || 1 + n % 4, 1, 1,
    'ocpp1.6', 'CARD-' || n % 40000, 'walls ' || n, began, began, 1000, ended, ended, 21000, 20000, 'Local', 21000,
    'ok', 20000, began, ended
from generate_series(1, $2::int) n,
    lateral (select 1 + n % $1::int as c, 1 + (n / $1::int) % 10 as k) who,
    lateral (select date_trunc('second', now()) - n * interval '30 seconds' as began) b,
    lateral (select began + interval '40 minutes' as ended) e
"""


async def found_walls(dsn: str, cpos: int, sessions: int) -> list[tuple[Scope, int]]:
    """Fills the tables; returns an operator of each CPO and, last, an analyst of the nation, each with the number of
    sessions that they may see. The tables are vacuumed and analysed, as autovacuum would by and by."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            for statement in _PLACES:
                await connection.execute(statement, cpos)
            await connection.execute(_SESSIONS, cpos, sessions)
        await connection.execute("vacuum analyze")
        people = await connection.fetch(
            "select u.id::text, u.cpo_id::text, u.role, (select count(*) from public.sessions s"
            " where u.cpo_id is null or s.cpo_id = u.cpo_id) as sessions"
            " from public.users u where u.email like '%@walls.invalid' order by u.cpo_id nulls last"
        )
        return [(Scope(one["role"], one["id"], one["cpo_id"]), one["sessions"]) for one in people]
    finally:
        await connection.close()
