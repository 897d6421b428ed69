"""A CPO with thousands of stations, written straight into the tables: what screens and views must bear."""

from __future__ import annotations

from typing import Any

import asyncpg

# $1: the CPO, $2: how many stations; each has two chargers of two connectors. Nine of ten chargers are connected, a
# fifth of the connectors charge, one of fifty is faulted; every connector has ten sessions of the last days.
_STATEMENTS = (
    "insert into public.nodes (name, started_at, seen_at) values ('large', now(), now() + interval '1 day') "
    "on conflict (name) do update set seen_at = excluded.seen_at",
    """
    insert into public.stations (cpo_id, name, city, province, latitude, longitude, timezone)
    select $1::uuid, 'SPKLU Besar ' || to_char(n, 'FM00000'), 'Kota ' || n % 400, 'Provinsi ' || n % 38,
        -10 + (n * 7919 % 1600) / 100.0, 95 + (n * 104729 % 4500) / 100.0,
        (array['Asia/Jakarta', 'Asia/Makassar', 'Asia/Jayapura'])[1 + n % 3]
    from generate_series(1, $2::integer) as n
    """,
    """
    insert into public.chargers (id, cpo_id, station_id, vendor, model, current_type, rated_power_w, status, status_at)
    select 'LF-' || left($1::text, 4) || '-' || substr(p.name, 13) || '-' || k, p.cpo_id, p.id, 'Bench', 'B2', 'DC',
        60000, case when substr(p.name, 13)::integer % 97 = 0 then 'Faulted' else 'Available' end, now()
    from public.stations p, generate_series(1, 2) as k
    where p.cpo_id = $1::uuid and p.name like 'SPKLU Besar %' and $2::integer > 0
    """,
    """
    insert into public.connections (charger_id, cpo_id, connection_id, node, protocol, connected_at, last_seen_at,
        disconnected_at)
    select id, cpo_id, gen_random_uuid(), 'large', 'ocpp1.6', now() - interval '1 day', now(),
        case when hashtext(id) % 10 = 0 then now() - interval '1 hour' end
    from public.chargers where cpo_id = $1::uuid and id like 'LF-%' and $2::integer > 0
    """,
    """
    insert into public.connectors (charger_id, evse_id, connector_id, cpo_id, status, error_code, status_at)
    select c.id, e, 1, c.cpo_id, case when h < 20 then 'Charging' when h < 22 then 'Faulted'
        when h < 23 then 'Unavailable' else 'Available' end,
        case when h in (20, 21) then 'GroundFailure' else 'NoError' end,
        now() - interval '1 hour'
    from public.chargers c, generate_series(1, 2) as e, lateral (select abs(hashtext(c.id || e)) % 100 as h) d
    where c.cpo_id = $1::uuid and c.id like 'LF-%' and $2::integer > 0
    """,
    """
    insert into public.sessions (cpo_id, station_id, charger_id, evse_id, connector_id, protocol, id_token, start_key,
        started_at, start_received_at, meter_start_wh, stopped_at, stop_received_at, meter_stop_wh, energy_wh,
        stop_reason, last_register_wh, last_power_w)
    select x.cpo_id, c.station_id, x.charger_id, x.evse_id, 1, 'ocpp1.6', 'LF-CARD-' || n,
        x.charger_id || x.evse_id || n, began, began, 1000, ended, ended, case when ended is not null then 21000 end,
        case when ended is not null then 20000 end, case when ended is not null then 'Local' end, 11000, 30000
    from public.connectors x join public.chargers c on c.id = x.charger_id, generate_series(0, 10) as n,
        lateral (select now() - n * interval '5 hours' - interval '20 minutes' as began) b,
        lateral (select case when n > 0 then began + interval '50 minutes' end as ended) e
    where x.cpo_id = $1::uuid and x.charger_id like 'LF-%' and (n > 0 or x.status = 'Charging') and $2::integer > 0
    """,
)


async def found_large_fleet(dsn: str, cpo_name: str, stations: int) -> str:
    """Gives the named CPO this many stations more; returns the identity of one of their chargers.

    The tables are vacuumed and analysed, as autovacuum would by and by.
    """
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        cpo_id = await connection.fetchval("select id::text from public.cpos where name = $1", cpo_name)
        async with connection.transaction():
            await connection.execute(_STATEMENTS[0])
            for statement in _STATEMENTS[1:]:
                await connection.execute(statement, cpo_id, stations)
        await connection.execute("vacuum analyze")
        return f"LF-{cpo_id[:4]}-00001-1"
    finally:
        await connection.close()
