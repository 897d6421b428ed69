-- Screens over thousands of stations: what is listed comes in pages, what is counted is counted here, and counting
-- looks nothing up connector by connector.

-- What people search in stands in one column.
create or replace view public.station_details with (security_invoker = true) as
select p.id, p.cpo_id, p.name, p.address, p.city, p.province, p.latitude, p.longitude, p.timezone, p.site_type,
    p.created_at, p.updated_at,
    (select count(*) from public.chargers c where c.station_id = p.id) as charger_count,
    concat_ws(' ', p.name, p.address, p.city, p.province) as search_text
from public.stations p;

create or replace view public.charger_live with (security_invoker = true) as
select c.id, c.cpo_id, c.station_id, p.name as station_name, p.timezone as station_timezone, c.name, c.vendor, c.model,
    c.serial_number, c.firmware_version, coalesce(k.protocol, c.protocol) as protocol, c.current_type,
    c.rated_power_w, c.registration, c.discovered, c.availability, c.status, c.error_code, c.error_info,
    c.vendor_error_code, c.status_at, c.last_boot_at, c.created_at, c.updated_at,
    k.connected_at, k.last_seen_at,
    coalesce(k.disconnected_at, case when n.seen_at <= now() - interval '30 seconds' then n.seen_at end) as disconnected_at,
    coalesce(k.disconnected_at is null and n.seen_at > now() - interval '30 seconds', false) as connected,
    (select count(*) from public.connectors x where x.charger_id = c.id) as connector_count,
    concat_ws(' ', c.id, c.name, c.vendor, c.model, c.serial_number, p.name, p.city) as search_text
from public.chargers c
left join public.stations p on p.id = c.station_id
left join public.connections k on k.charger_id = c.id
left join public.nodes n on n.name = k.node;

-- What the charger says of itself as a whole (connector 0) stands beside each connector and hides nothing of it.
create or replace view public.connector_live with (security_invoker = true) as
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
    s.last_soc_percent as soc_percent, s.last_reading_at,
    h.status as charger_status, h.error_code as charger_error_code, h.error_info as charger_error_info,
    h.status_at as charger_status_at, h.search_text
from public.connectors x
join public.charger_live h on h.id = x.charger_id
left join lateral (
    select * from public.sessions s
    where s.charger_id = x.charger_id and s.evse_id = x.evse_id and s.connector_id = x.connector_id
      and s.stopped_at is null
    order by s.started_at desc limit 1) s on true;

-- The same state and session as in `connector_live`, of many connectors at once: joined in bulk, for counting.
create view private.connector_tally with (security_invoker = true) as
select x.charger_id, c.station_id, x.cpo_id, c.connected, s.id as session_id, s.power_w, s.energy_wh,
    case when not c.connected then 'offline'
         when x.status in ('SuspendedEV', 'SuspendedEVSE') then 'suspended'
         when x.status in ('Available', 'Preparing', 'Charging', 'Finishing', 'Reserved', 'Unavailable', 'Faulted')
         then lower(x.status)
         else 'unknown' end as state
from public.connectors x
join (
    select h.id, h.station_id, coalesce(k.disconnected_at is null and n.seen_at > now() - interval '30 seconds', false) as connected
    from public.chargers h
    left join public.connections k on k.charger_id = h.id
    left join public.nodes n on n.name = k.node) c on c.id = x.charger_id
left join (
    select distinct on (o.charger_id, o.evse_id, o.connector_id) o.charger_id, o.evse_id, o.connector_id, o.id,
        o.last_power_w as power_w, greatest(o.last_register_wh - o.meter_start_wh, 0) as energy_wh
    from public.sessions o where o.stopped_at is null
    order by o.charger_id, o.evse_id, o.connector_id, o.started_at desc) s
    on s.charger_id = x.charger_id and s.evse_id = x.evse_id and s.connector_id = x.connector_id;
grant select on private.connector_tally to authenticated, service_role;

-- The overview of one CPO (or of the nation, with null): counts now, and today in each station's own zone. The list
-- of stations is left out when it is not wanted: it grows with the fleet, the counts do not.
-- Planned anew each time: one CPO and the nation want different plans.
drop function public.dashboard_overview(uuid);
create function public.dashboard_overview(p_cpo_id uuid, p_stations boolean default true) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
    return (
    with live as materialized (
        select * from private.connector_tally where p_cpo_id is null or cpo_id = p_cpo_id
    ), places as materialized (
        select *, date_trunc('day', now() at time zone timezone) at time zone timezone as since
        from public.stations where p_cpo_id is null or cpo_id = p_cpo_id
    ), today as (
        select coalesce(sum(d.energy_wh), 0) as energy_wh, coalesce(sum(d.sessions + d.held_sessions), 0) as ended,
            coalesce(sum(d.held_energy_wh), 0) as held_energy_wh
        from places p join public.station_days d on d.station_id = p.id and d.day = (now() at time zone p.timezone)::date
    ), begun as (
        select count(*) as n from public.sessions s join places p on p.id = s.station_id
        where s.started_at >= now() - interval '25 hours' and s.started_at >= p.since
    )
    select json_build_object(
        'as_of', now(),
        'connectors', (select coalesce(json_object_agg(state, n), '{}') from (select state, count(*) n from live group by state) c),
        'chargers', (select json_build_object('total', count(*), 'connected', count(*) filter (where connected))
                     from public.charger_live where (p_cpo_id is null or cpo_id = p_cpo_id) and registration = 'accepted'),
        'sessions', json_build_object('active', (select count(*) from live where session_id is not null),
            'started_today', (select n from begun), 'ended_today', (select ended from today),
            'held', (select count(*) from public.sessions where verdict = 'held' and (p_cpo_id is null or cpo_id = p_cpo_id))),
        'energy_today_wh', (select energy_wh from today) + (select coalesce(sum(energy_wh), 0) from live),
        'energy_held_today_wh', (select held_energy_wh from today),
        'power_now_w', (select coalesce(sum(power_w), 0) from live where connected),
        'log', json_build_object('dropped_total', (select coalesce(sum((stats ->> 'log_dropped')::bigint), 0) from public.nodes)),
        'stations', case when p_stations then (
            select coalesce(json_agg(json_build_object('id', p.id, 'name', p.name, 'city', p.city,
                'province', p.province, 'latitude', p.latitude, 'longitude', p.longitude, 'timezone', p.timezone,
                'connectors', coalesce(g.states, '{}'), 'power_w', coalesce(g.power_w, 0)) order by p.name), '[]')
            from places p left join (
                select station_id, json_object_agg(state, n) as states, sum(power_w) as power_w
                from (select station_id, state, count(*) as n, sum(power_w) as power_w from live group by station_id, state) x
                group by station_id) g on g.station_id = p.id) else '[]' end));
end
$$;

-- Stations that have a place on the map, with the worst state among their connectors (null: none).
create function public.station_map(p_cpo_id uuid) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
    return (
    with worst as (
        select station_id, min(array_position(array['faulted', 'offline', 'unavailable', 'suspended', 'charging', 'preparing',
            'finishing', 'reserved', 'available', 'unknown'], state)) as rank
        from private.connector_tally where p_cpo_id is null or cpo_id = p_cpo_id group by station_id
    )
    select coalesce(json_agg(json_build_object('id', p.id, 'name', p.name, 'city', p.city, 'latitude', p.latitude,
        'longitude', p.longitude, 'state', (array['faulted', 'offline', 'unavailable', 'suspended', 'charging', 'preparing',
            'finishing', 'reserved', 'available', 'unknown'])[w.rank]) order by p.name, p.id), '[]')
    from public.stations p left join worst w on w.station_id = p.id
    where (p_cpo_id is null or p.cpo_id = p_cpo_id) and p.latitude is not null and p.longitude is not null);
end
$$;

-- Stations, connectors by state and power of each CPO.
create function public.operator_figures() returns json
language sql stable set search_path = '' as $$
    with counted as (
        select cpo_id, state, count(*) as n, sum(power_w) filter (where connected) as power_w
        from private.connector_tally group by cpo_id, state
    )
    select coalesce(json_agg(json_build_object('cpo_id', o.id,
        'stations', (select count(*) from public.stations p where p.cpo_id = o.id),
        'connectors', (select coalesce(json_object_agg(state, n), '{}') from counted c where c.cpo_id = o.id),
        'power_w', (select coalesce(sum(power_w), 0) from counted c where c.cpo_id = o.id)) order by o.name), '[]')
    from public.cpos o
$$;

-- A page of stations by name, each with its chargers and connectors counted: those that hold `p_pattern` (of `ilike`)
-- themselves or in one of their chargers, and have a connector in `p_state`; behind (p_after_name, p_after_id).
create function public.station_live(p_cpo_id uuid, p_station_id uuid, p_pattern text, p_state text, p_after_name text,
    p_after_id uuid, p_limit integer) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
    return (
        with page as materialized (
            select p.* from public.stations p
            where (p_cpo_id is null or p.cpo_id = p_cpo_id) and (p_station_id is null or p.id = p_station_id)
              and (p_after_name is null or (p.name, p.id) > (p_after_name, p_after_id))
              and (p_pattern is null or concat_ws(' ', p.name, p.address, p.city, p.province) ilike p_pattern
                   or p.id in (select c.station_id from public.chargers c
                               where concat_ws(' ', c.id, c.name, c.vendor, c.model, c.serial_number) ilike p_pattern))
              and (p_state is null or p.id in (select t.station_id from private.connector_tally t where t.state = p_state))
            order by p.name, p.id limit p_limit
        )
        select coalesce(json_agg(json_build_object('id', p.id, 'cpo_id', p.cpo_id, 'name', p.name, 'city', p.city,
            'province', p.province, 'timezone', p.timezone, 'chargers', h.total, 'chargers_connected', h.connected,
            'connectors', coalesce(g.states, '{}'), 'power_w', coalesce(g.power_w, 0)) order by p.name, p.id), '[]')
        from page p
        cross join lateral (
            select count(*) as total, count(*) filter (where l.connected) as connected
            from public.charger_live l where l.station_id = p.id) h
        cross join lateral (
            select json_object_agg(s.state, s.n) as states, sum(s.power_w) as power_w
            from (select l.state, count(*) as n, sum(l.power_w) filter (where l.connected) as power_w
                  from public.connector_live l where l.station_id = p.id group by l.state) s) g);
end
$$;

revoke execute on function public.dashboard_overview(uuid, boolean), public.station_map(uuid), public.operator_figures(),
    public.station_live(uuid, uuid, text, text, text, uuid, integer) from public;
grant execute on function public.dashboard_overview(uuid, boolean), public.station_map(uuid), public.operator_figures(),
    public.station_live(uuid, uuid, text, text, text, uuid, integer) to authenticated, service_role;
