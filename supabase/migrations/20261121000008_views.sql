-- What people look at. Views keep the row policies of their tables (security_invoker).

create view public.charger_live with (security_invoker = true) as
select c.id, c.cpo_id, c.station_id, p.name as station_name, p.timezone as station_timezone, c.name, c.vendor, c.model,
    c.serial_number, c.firmware_version, coalesce(k.protocol, c.protocol) as protocol, c.current_type,
    c.rated_power_w, c.registration, c.discovered, c.availability, c.status, c.error_code, c.error_info,
    c.vendor_error_code, c.status_at, c.last_boot_at, c.created_at, c.updated_at,
    k.connected_at, k.last_seen_at,
    coalesce(k.disconnected_at, case when n.seen_at <= now() - interval '30 seconds' then n.seen_at end) as disconnected_at,
    coalesce(k.disconnected_at is null and n.seen_at > now() - interval '30 seconds', false) as connected,
    (select count(*) from public.connectors x where x.charger_id = c.id) as connector_count
from public.chargers c
left join public.stations p on p.id = c.station_id
left join public.connections k on k.charger_id = c.id
left join public.nodes n on n.name = k.node;

-- `state` is what to show: a lost connection overrides the last status, which stays readable beside it.
create view public.connector_live with (security_invoker = true) as
select x.charger_id, x.evse_id, x.connector_id, x.cpo_id, h.station_id, h.station_name, h.station_timezone,
    h.name as charger_name, h.current_type, h.rated_power_w, h.connected, h.last_seen_at,
    x.status, x.error_code, x.error_info, x.vendor_error_code, x.status_at, x.status_received_at,
    case when not h.connected then 'offline'
         when x.status in ('SuspendedEV', 'SuspendedEVSE') then 'suspended'
         when x.status in ('Available', 'Preparing', 'Charging', 'Finishing', 'Reserved', 'Unavailable', 'Faulted')
         then lower(x.status)
         else 'unknown' end as state,  -- chargers also say what no standard knows
    s.id as session_id, s.transaction_id, s.id_token, s.started_at, s.last_power_w as power_w,
    case when s.id is not null then greatest(s.last_register_wh - s.meter_start_wh, 0) end as energy_wh,
    s.last_soc_percent as soc_percent, s.last_reading_at
from public.connectors x
join public.charger_live h on h.id = x.charger_id
left join lateral (
    select * from public.sessions s
    where s.charger_id = x.charger_id and s.evse_id = x.evse_id and s.connector_id = x.connector_id
      and s.stopped_at is null
    order by s.started_at desc limit 1) s on true;

create view public.session_details with (security_invoker = true) as
select s.id, s.transaction_id, s.cpo_id, s.station_id, p.name as station_name, p.timezone as station_timezone,
    s.charger_id, s.evse_id, s.connector_id, s.protocol, s.id_token, lower(s.id_token) as token_key, s.parent_token, s.started_at, s.stopped_at,
    s.stopped_at is null as open,
    extract(epoch from coalesce(s.stopped_at, now()) - s.started_at)::integer as duration_s,
    s.meter_start_wh, s.meter_stop_wh,
    coalesce(s.energy_wh, greatest(s.last_register_wh - s.meter_start_wh, 0)) as energy_wh,
    s.last_power_w, s.last_soc_percent, s.last_reading_at, s.stop_reason, s.review_reasons, s.command_id
from public.sessions s
left join public.stations p on p.id = s.station_id;

-- How many sessions a list holds. Every filter may be null.
create function public.count_sessions(p_cpo_id uuid, p_station_id uuid, p_charger_id text, p_id_token text, p_open boolean,
    p_from timestamptz, p_to timestamptz) returns bigint
language sql stable set search_path = '' as $$
    select count(*) from public.sessions s
    where (p_cpo_id is null or s.cpo_id = p_cpo_id)
      and (p_station_id is null or s.station_id = p_station_id)
      and (p_charger_id is null or s.charger_id = p_charger_id)
      and (p_id_token is null or lower(s.id_token) = lower(p_id_token))
      and (p_open is null or (s.stopped_at is null) = p_open)
      and (p_from is null or s.started_at >= p_from)
      and (p_to is null or s.started_at < p_to)
$$;

-- The readings of a session, oldest first, thinned evenly to at most p_limit; first and last always stay.
create function public.session_readings(p_session_id uuid, p_limit integer) returns json
language sql stable set search_path = '' as $$
    with numbered as (
        select measured_at, context, energy_wh, power_w, current_a, voltage_v, soc_percent, temperature_c,
            row_number() over (order by measured_at, digest) as n, count(*) over () as total
        from public.meter_values where session_id = p_session_id
    ), kept as (
        select * from numbered
        where n = total or (n - 1) % greatest(1, ceil(total::numeric / greatest(p_limit - 1, 1))::bigint) = 0
    )
    select json_build_object('total', coalesce((select max(total) from numbered), 0), 'items', coalesce(
        json_agg(json_build_object('measured_at', measured_at, 'context', context, 'energy_wh', energy_wh,
            'power_w', power_w, 'current_a', current_a, 'voltage_v', voltage_v, 'soc_percent', soc_percent,
            'temperature_c', temperature_c) order by n), '[]')) from kept
$$;

-- The overview of one CPO (or of the nation, with null): counts now, and today in each station's own zone.
create function public.dashboard_overview(p_cpo_id uuid) returns json
language sql stable set search_path = '' as $$
    with live as materialized (
        select * from public.connector_live where p_cpo_id is null or cpo_id = p_cpo_id
    ), places as (
        select * from public.stations where p_cpo_id is null or cpo_id = p_cpo_id
    ), today as (
        select coalesce(sum(d.energy_wh), 0) as energy_wh, coalesce(sum(d.sessions), 0) as ended
        from places p join public.station_days d on d.station_id = p.id and d.day = (now() at time zone p.timezone)::date
    ), begun as (
        select count(*) as n from places p join public.sessions s on s.station_id = p.id
            and s.started_at >= date_trunc('day', now() at time zone p.timezone) at time zone p.timezone
    )
    select json_build_object(
        'as_of', now(),
        'connectors', (select coalesce(json_object_agg(state, n), '{}') from (select state, count(*) n from live group by state) c),
        'chargers', (select json_build_object('total', count(*), 'connected', count(*) filter (where connected))
                     from public.charger_live where (p_cpo_id is null or cpo_id = p_cpo_id) and registration = 'accepted'),
        'sessions', json_build_object('active', (select count(*) from live where session_id is not null),
            'started_today', (select n from begun), 'ended_today', (select ended from today)),
        'energy_today_wh', (select energy_wh from today) + (select coalesce(sum(energy_wh), 0) from live),
        'power_now_w', (select coalesce(sum(power_w), 0) from live where connected),
        'log', json_build_object('dropped_total', (select coalesce(sum((stats ->> 'log_dropped')::bigint), 0) from public.nodes)),
        'stations', (select coalesce(json_agg(json_build_object('id', p.id, 'name', p.name, 'city', p.city,
            'province', p.province, 'latitude', p.latitude, 'longitude', p.longitude, 'timezone', p.timezone,
            'connectors', coalesce(g.states, '{}'), 'power_w', coalesce(g.power_w, 0)) order by p.name), '[]')
            from places p left join (
                select station_id, json_object_agg(state, n) as states, sum(power_w) as power_w
                from (select station_id, state, count(*) as n, sum(power_w) as power_w from live group by station_id, state) x
                group by station_id) g on g.station_id = p.id))
$$;

-- Energy and sessions of the last days: one row a day, days without sessions included. The last day is today where
-- the easternmost of the stations stands.
create function public.daily_energy(p_cpo_id uuid, p_days integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_object('day', d.day, 'energy_wh', coalesce(t.energy_wh, 0),
                                               'sessions', coalesce(t.sessions, 0)) order by d.day), '[]')
    from (select (coalesce(z.today, (now() at time zone 'Asia/Jakarta')::date) - n) as day
          from generate_series(0, least(p_days, 366) - 1) as n,
               (select max((now() at time zone timezone)::date) as today from public.stations
                where p_cpo_id is null or cpo_id = p_cpo_id) z) d
    left join (select day, sum(energy_wh) as energy_wh, sum(sessions) as sessions from public.station_days
               where p_cpo_id is null or cpo_id = p_cpo_id group by day) t on t.day = d.day
$$;

revoke execute on function public.count_sessions(uuid, uuid, text, text, boolean, timestamptz, timestamptz),
    public.session_readings(uuid, integer), public.dashboard_overview(uuid), public.daily_energy(uuid, integer) from public;
grant execute on function public.count_sessions(uuid, uuid, text, text, boolean, timestamptz, timestamptz),
    public.session_readings(uuid, integer), public.dashboard_overview(uuid), public.daily_energy(uuid, integer)
    to authenticated, service_role;
grant select on public.charger_live, public.connector_live, public.session_details to authenticated, service_role;
