-- How many sessions began today is read from an index alone, whatever the years before hold: the row policy asks for the
-- CPO, so the index knows it, too.
drop index public.sessions_station;
create index sessions_station on public.sessions (station_id, started_at desc, id desc) include (cpo_id);

-- As before but for what began today.
create or replace function public.dashboard_overview(p_cpo_id uuid, p_stations boolean default true) returns json
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
        select count(*) as n from places p cross join lateral (
            select 1 from public.sessions s where s.station_id = p.id and s.started_at >= p.since
            offset 0) b  -- kept apart: station by station, from the index alone
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
