-- What chargers say, paired and findable; which firmware lies, counted; what to make of it, as rows.

-- ---------------------------------------------------------------- the message log

-- On CALLERRORs their code, on frames that are none what is wrong with them. It makes errors findable.
alter table public.ocpp_messages add column error_code text;
update public.ocpp_messages set error_code = coalesce(
        substring(payload from '^\s*\[\s*4\s*,\s*(?:"[^"]*"|\d+)\s*,\s*"([^"]+)"'),
        case when kind = 'bad' then 'FormationViolation' else 'Unknown' end)
where kind in ('error', 'bad');

-- Neither index is touched by MeterValues and Heartbeats, which are nearly all of the log: these are frequent enough
-- to be found by walking `ocpp_messages_charger`.
create index ocpp_messages_action on public.ocpp_messages (charger_id, action, at desc, id desc)
    where kind = 'call' and action <> 'MeterValues' and action <> 'Heartbeat';
create index ocpp_messages_errors on public.ocpp_messages (charger_id, at desc, id desc) where error_code is not null;

-- Every frame, in bulk, apart from the business lane: [{at, charger_id, direction, kind, action, pair_id, latency_ms,
-- payload, error_code}]
create or replace function public.log_messages(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.ocpp_messages (at, cpo_id, charger_id, direction, kind, action, pair_id, latency_ms, payload, error_code)
    select r.at, c.cpo_id, r.charger_id, r.direction, r.kind, r.action, r.pair_id, r.latency_ms, r.payload, r.error_code
    from json_to_recordset(p_rows) as r(at timestamptz, charger_id text, direction text, kind text, action text,
                                        pair_id text, latency_ms real, payload text, error_code text)
    left join public.chargers c on c.id = r.charger_id
$$;

-- One entry per call with its answer, and per frame that stands alone (broken, or an answer to nothing), newest first.
-- With p_errors or p_error_code the CALLERRORs and broken frames, with their calls. `key_at`, `key_id` continue the list.
-- The text is put together for each question, so that the planner sees the constants and finds the partial indexes.
create function public.message_exchanges(p_charger_id text, p_action text, p_direction text, p_errors boolean,
    p_error_code text, p_from timestamptz, p_to timestamptz, p_after_at timestamptz, p_after_id bigint, p_limit integer)
returns json
language plpgsql stable set search_path = '' as $$
declare
    by_error constant boolean := coalesce(p_errors, false) or p_error_code is not null;
    wanted text := format('m.charger_id = %L', p_charger_id);
    entries json;
begin
    -- An answer whose call was heard has a latency: what has none stands first in its entry.
    wanted := wanted || case when by_error then ' and m.error_code is not null'
                             when p_action is null then ' and m.latency_ms is null' else ' and m.kind = ''call''' end
        || coalesce(' and m.error_code = ' || quote_literal(p_error_code), '')
        || coalesce(' and m.action = ' || quote_literal(p_action), '')
        || coalesce(' and m.at >= ' || quote_literal(p_from), '')
        || coalesce(' and m.at < ' || quote_literal(p_to), '')
        || coalesce(' and (m.direction = ' || quote_literal(p_direction)
                    || ') = (m.kind in (''call'', ''bad'') or m.latency_ms is null)', '')
        || case when p_after_at is null then ''
                else format(' and m.at <= %L and (m.at, m.id) < (%L, %s)', p_after_at, p_after_at, p_after_id) end;
    execute format($q$
        select coalesce(json_agg(t), '[]') from (
            select m.at as key_at, m.id as key_id, coalesce(c.at, m.at) as at,
                case when c.id is not null then c.direction else m.direction end as direction,
                coalesce(c.action, m.action) as action, m.pair_id,
                case when m.kind = 'bad' then 'bad' when m.kind = 'error' and m.latency_ms is not null then 'error'
                     when m.kind <> 'call' then 'stray' when a.kind = 'error' then 'error'
                     when a.kind = 'result' then 'answered'
                     when m.at > now() - interval '1 minute' then 'waiting' else 'unanswered' end as outcome,
                coalesce(m.error_code, a.error_code) as error_code, coalesce(m.latency_ms, a.latency_ms) as latency_ms,
                case when m.kind in ('call', 'bad') then m.payload else c.payload end as request,
                case when m.kind in ('call', 'bad') then a.payload else m.payload end as response,
                case when m.kind in ('call', 'bad') then a.at else m.at end as answered_at
            from (select * from public.ocpp_messages m where %s order by m.at desc, m.id desc limit %s) m
            left join lateral (
                select x.* from public.ocpp_messages x
                where m.kind in ('call', 'bad') and x.charger_id = m.charger_id and x.at >= m.at
                  and x.at < m.at + interval '5 minutes' and x.pair_id = m.pair_id and x.direction <> m.direction
                  and x.kind in ('result', 'error') order by x.at, x.id limit 1) a on true
            left join lateral (
                select x.* from public.ocpp_messages x
                where m.kind in ('result', 'error') and m.latency_ms is not null and x.charger_id = m.charger_id
                  and x.at <= m.at and x.at > m.at - interval '5 minutes' and x.pair_id = m.pair_id
                  and x.direction <> m.direction and x.kind in ('call', 'bad') order by x.at desc, x.id desc limit 1) c on true
            order by m.at desc, m.id desc) t
        $q$, wanted, p_limit) into entries;
    return entries;
end
$$;
revoke execute on function public.message_exchanges(text, text, text, boolean, text, timestamptz, timestamptz,
    timestamptz, bigint, integer) from public;
grant execute on function public.message_exchanges(text, text, text, boolean, text, timestamptz, timestamptz,
    timestamptz, bigint, integer) to authenticated, service_role;

-- ---------------------------------------------------------------- quirks

-- How often a charger deviated, under the firmware it had then. Counters: a server that is killed loses what it counted
-- in the last seconds, and nothing is counted twice.
create table public.charger_quirks (
    charger_id text not null references public.chargers (id) on delete cascade,
    vendor text not null default '',
    model text not null default '',
    firmware_version text not null default '',
    quirk text not null check (length(quirk) between 1 and 60),
    cpo_id uuid references public.cpos (id),
    occurrences bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    example text check (length(example) <= 500),   -- the latest, identifiers masked
    primary key (charger_id, vendor, model, firmware_version, quirk)
);
create index charger_quirks_cpo on public.charger_quirks (cpo_id);
call private.protect('public.charger_quirks', array[]::text[]);
grant select, insert, update, delete on public.charger_quirks to service_role;
grant select on public.charger_quirks to authenticated;

-- What has been counted already, until a repetition can no longer come.
create table private.counted (
    id uuid primary key,
    until timestamptz not null
);
create index counted_until on private.counted (until);
grant select, insert, delete on private.counted to service_role;

-- [{charger_id, quirk, occurrences, first_at, last_at, example, transaction_id}]: adds to the counters, once per p_id.
-- A row with a transaction id counts only if the charger has no such session. Returns the ids that it has:
-- [{charger_id, transaction_id}], for the server to know them.
create function public.count_quirks(p_id uuid, p_rows json) returns json
language plpgsql set search_path = '' as $$
declare
    known json;
begin
    select coalesce(json_agg(json_build_object('charger_id', s.charger_id, 'transaction_id', s.transaction_id)), '[]')
    into known from json_to_recordset(p_rows) as r(charger_id text, transaction_id bigint)
    join public.sessions s on s.transaction_id = r.transaction_id and s.charger_id = r.charger_id;
    delete from private.counted where until < now();
    insert into private.counted values (p_id, now() + interval '1 day') on conflict do nothing;
    if found then
        perform private.add_quirks(p_rows);
    end if;
    return known;
end
$$;

create function private.add_quirks(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.charger_quirks as q
        (charger_id, vendor, model, firmware_version, quirk, cpo_id, occurrences, first_at, last_at, example)
    select c.id, coalesce(c.vendor, ''), coalesce(c.model, ''), coalesce(c.firmware_version, ''), r.quirk, c.cpo_id,
        sum(r.occurrences), min(r.first_at), max(r.last_at),
        left((array_agg(r.example order by r.last_at desc))[1], 500)
    from json_to_recordset(p_rows) as r(charger_id text, quirk text, occurrences bigint, first_at timestamptz,
        last_at timestamptz, example text, transaction_id bigint)
    join public.chargers c on c.id = r.charger_id
    where r.transaction_id is null or not exists (
        select 1 from public.sessions s where s.transaction_id = r.transaction_id and s.charger_id = r.charger_id)
    group by c.id, r.quirk
    order by c.id, r.quirk
    on conflict (charger_id, vendor, model, firmware_version, quirk) do update set
        occurrences = q.occurrences + excluded.occurrences, first_at = least(q.first_at, excluded.first_at),
        last_at = greatest(q.last_at, excluded.last_at), example = coalesce(excluded.example, q.example),
        cpo_id = excluded.cpo_id
$$;

-- What only a whole session shows, counted when it has ended, once per session and quirk however often it is told.
-- Registers a thousandfold (or a thousandth) of those at start and stop: Wh under the label kWh, or the other way round.
create function public.count_session_quirks(p_session_ids json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    for r in
        select s.id, s.charger_id, x.quirk, s.stop_received_at as at,
            format('start %s Wh, stop %s Wh, readings up to %s Wh', trim_scale(s.meter_start_wh),
                   trim_scale(s.meter_stop_wh), trim_scale(m.highest_wh)) as example
        from public.sessions s
        join (select distinct value::uuid as id from json_array_elements_text(p_session_ids)) told on told.id = s.id
        cross join lateral (
            select max(v.energy_wh) as highest_wh from public.meter_values v
            where v.session_id = s.id and v.measured_at >= s.started_at - interval '1 day') m
        cross join lateral (
            select case reason when 'register_back' then 'register_back' when 'stop_missing' then 'stop_missing'
                when 'negative_duration' then 'stop_before_start' when 'odometer_jump' then 'start_register_zero'
                when 'energy_above_rated' then 'energy_above_rated' when 'overlap' then 'sessions_overlap'
                when 'reading_gap' then 'reading_gap' end as quirk
            from unnest(s.review_reasons) as reason
            union
            select 'readings_thousandfold' where s.meter_start_wh > 0
                and m.highest_wh / 1000 between s.meter_start_wh and s.meter_stop_wh
            union
            select 'readings_thousandth' where s.meter_start_wh > 0
                and m.highest_wh * 1000 between s.meter_start_wh * 0.999 and s.meter_stop_wh) x
        where s.stopped_at is not null and s.stop_received_at is not null and x.quirk is not null
    loop
        insert into private.counted values (md5(r.id || r.quirk)::uuid, now() + interval '60 days') on conflict do nothing;
        if found then
            perform private.add_quirks(json_build_array(json_build_object('charger_id', r.charger_id, 'quirk', r.quirk,
                'occurrences', 1, 'first_at', r.at, 'last_at', r.at, 'example', r.example)));
        end if;
    end loop;
end
$$;

-- The scorecard: per firmware and quirk, how many of the chargers that run (or ran) it, of those the asker may see.
create view public.firmware_quirks with (security_invoker = true) as
select q.vendor, q.model, q.firmware_version, q.quirk, count(*)::integer as chargers_affected,
    greatest(f.chargers, count(*))::integer as chargers_total, sum(q.occurrences)::bigint as occurrences,
    min(q.first_at) as first_at, max(q.last_at) as last_at,
    (array_agg(q.example order by q.last_at desc))[1] as example
from public.charger_quirks q
left join (
    select coalesce(vendor, '') as vendor, coalesce(model, '') as model,
        coalesce(firmware_version, '') as firmware_version, count(*) as chargers
    from public.chargers group by 1, 2, 3) f
    on f.vendor = q.vendor and f.model = q.model and f.firmware_version = q.firmware_version
group by q.vendor, q.model, q.firmware_version, q.quirk, f.chargers;
grant select on public.firmware_quirks to authenticated, service_role;

revoke execute on function public.count_quirks(uuid, json), private.add_quirks(json),
    public.count_session_quirks(json) from public;
grant execute on function public.count_quirks(uuid, json), private.add_quirks(json),
    public.count_session_quirks(json) to service_role;

-- ---------------------------------------------------------------- normalising rules

-- What to make of what a firmware says. The patterns take * for any text, and case does not matter. What the charger
-- said stays in the message log as it was.
create table public.normalising_rules (
    id uuid primary key default gen_random_uuid(),
    name text not null check (length(name) between 1 and 120),
    vendor_pattern text not null default '*' check (length(vendor_pattern) between 1 and 120),
    model_pattern text not null default '*' check (length(model_pattern) between 1 and 120),
    firmware_pattern text not null default '*' check (length(firmware_pattern) between 1 and 120),
    quirk text not null check (length(quirk) between 1 and 60),
    treatment text not null check (length(treatment) between 1 and 60),
    parameters jsonb not null default '{}',
    position integer not null default 100,           -- rules of one charger apply in this order
    enabled boolean not null default true,
    shipped boolean not null default false,          -- comes with the platform: may be disabled, never deleted
    source text,                                     -- where the quirk is told of
    created_by_name text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table public.normalising_rules enable row level security;
create policy all_read on public.normalising_rules for select to authenticated using (true);
create policy emsv_writes on public.normalising_rules for all to authenticated
    using ((select private.writes_all())) with check ((select private.writes_all()));
grant select, insert, update, delete on public.normalising_rules to service_role, authenticated;

create function private.like_pattern(p_glob text) returns text
language sql immutable set search_path = '' as $$
    select replace(replace(replace(replace(p_glob, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%')
$$;

-- For an OCPP server: the enabled rules in their order and which charger each fits, or null if p_known names this
-- state of the table.
create function public.rules_in_force(p_known text) returns json
language plpgsql stable set search_path = '' as $$
declare
    version text := (select concat_ws(' ', count(*), max(updated_at)) from public.normalising_rules);
begin
    if version = p_known then
        return null;
    end if;
    return json_build_object('version', version,
        'rules', (select coalesce(json_agg(r order by r.position, r.created_at, r.id), '[]')
                  from public.normalising_rules r where r.enabled),
        'chargers', (
            select coalesce(json_object_agg(f.id, f.rules), '{}') from (
                select c.id, json_agg(r.id) as rules from public.chargers c join public.normalising_rules r on r.enabled
                    and coalesce(c.vendor, '') ilike private.like_pattern(r.vendor_pattern)
                    and coalesce(c.model, '') ilike private.like_pattern(r.model_pattern)
                    and coalesce(c.firmware_version, '') ilike private.like_pattern(r.firmware_pattern)
                group by c.id) f));
end
$$;
revoke execute on function private.like_pattern(text), public.rules_in_force(text) from public;
grant execute on function private.like_pattern(text), public.rules_in_force(text) to service_role;

-- Known from public reports. It moves energy, therefore it waits for somebody who has looked at such a charger.
insert into public.normalising_rules
    (name, vendor_pattern, firmware_pattern, quirk, treatment, parameters, enabled, shipped, source)
values ('OpenEVSE 4.2.2 tells kWh under the label Wh', 'OpenEVSE*', '4.2.2*', 'readings_thousandth', 'energy_factor',
    '{"factor": "1000", "members": "readings"}', false, true, 'OpenEVSE/openevse_esp32_firmware#703');
