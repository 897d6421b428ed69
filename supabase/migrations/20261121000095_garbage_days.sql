-- Recounts closed days from their sessions, so it may run any number of times: [{station_id, stopped_at}]
-- A sum ends at what its column holds: a charger with a broken meter says more within a day. Its sessions are held, and
-- must not keep the others at its station from being counted.
create or replace function public.refresh_station_days(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.station_days (station_id, day, cpo_id, sessions, energy_wh, held_sessions, held_energy_wh)
    select t.station_id, t.day, t.cpo_id,
        count(s.id) filter (where s.verdict in ('ok', 'approved', 'corrected')),
        least(coalesce(sum(s.billable_energy_wh), 0), 999999999999.999),
        count(s.id) filter (where s.verdict is null or s.verdict = 'held'),
        least(coalesce(sum(s.energy_wh) filter (where s.verdict is null or s.verdict = 'held'), 0), 999999999999.999)
    from (select distinct r.station_id, (r.stopped_at at time zone p.timezone)::date as day, p.cpo_id, p.timezone
          from json_to_recordset(p_rows) as r(station_id uuid, stopped_at timestamptz)
          join public.stations p on p.id = r.station_id) t
    left join public.sessions s on s.station_id = t.station_id and s.stopped_at is not null
        and coalesce(s.billable_stopped_at, s.stopped_at) >= t.day::timestamp at time zone t.timezone
        and coalesce(s.billable_stopped_at, s.stopped_at) < (t.day + 1)::timestamp at time zone t.timezone
    group by t.station_id, t.day, t.cpo_id
    on conflict (station_id, day) do update set sessions = excluded.sessions, energy_wh = excluded.energy_wh,
        held_sessions = excluded.held_sessions, held_energy_wh = excluded.held_energy_wh, updated_at = now()
$$;
