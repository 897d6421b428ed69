-- The rights of people who charge (UU PDP, law 27/2022): all that is kept of a driver as one document, and erasure that
-- leaves the books as they are without a way back to the person. Both read one table: where personal data stand.

-- `belongs`: which rows r are the driver's; $1 the driver, $2 the keys of the tokens held now or once, $3 the user.
-- `shown`: what of a row is handed out. `erased`: `delete`, or what the row's columns become; null: nothing of it leads to
-- anybody once the rows above it in the order of `place` are erased. A table that comes to hold something of a driver
-- gets a row here (a test walks the catalogue).
create table private.driver_data (
    relation text primary key,
    place integer not null unique,
    belongs text not null,
    shown text not null default 'r.*',
    erased text
);
grant select on private.driver_data to service_role;

-- A text with three stars wherever one of these tokens stands in it as a word of its own.
create function private.text_without(p_text text, p_keys text[]) returns text
language plpgsql immutable set search_path = '' as $$
declare
    token text;
begin
    foreach token in array p_keys loop
        if strpos(lower(p_text), token) > 0 then
            p_text := regexp_replace(p_text, '(?<![[:alnum:]-])' || regexp_replace(token, '([^[:alnum:]])', '\\\1', 'g')
                || '(?![[:alnum:]-])', '***', 'gi');
        end if;
    end loop;
    return p_text;
end
$$;

-- A JSON value without these tokens.
create function private.without_tokens(p_value jsonb, p_keys text[]) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    return case jsonb_typeof(p_value)
        when 'object' then (select coalesce(jsonb_object_agg(key, private.without_tokens(value, p_keys)), '{}')
                            from jsonb_each(p_value))
        when 'array' then (select coalesce(jsonb_agg(private.without_tokens(value, p_keys) order by n), '[]')
                           from jsonb_array_elements(p_value) with ordinality as e(value, n))
        when 'string' then to_jsonb(private.text_without(p_value #>> '{}', p_keys))
        else p_value end;
end
$$;

-- Does a JSON value name one of these tokens?
create function private.names_token(p_value jsonb, p_keys text[]) returns boolean
language sql immutable set search_path = '' as $$
    select private.without_tokens(p_value, p_keys) <> p_value
$$;

-- A frame without the tokens; one that is no JSON is emptied.
create function private.frame_without_tokens(p_frame text, p_keys text[]) returns text
language plpgsql immutable set search_path = '' as $$
begin
    return private.without_tokens(p_frame::jsonb, p_keys)::text;
exception when others then
    return '***';
end
$$;

-- Sessions that the driver began or ended. What the message log holds of other chargers, such as the lists that they were
-- sent, names no person and goes with the log's days.
create function private.sessions_of(p_driver_id uuid, p_keys text[]) returns setof public.sessions
language sql stable set search_path = '' as $$
    select s.* from public.sessions s where lower(s.id_token) = any (p_keys)
        and private.held_by(p_driver_id, s.cpo_id, s.id_token, s.started_at)
    union
    select s.* from public.sessions s
    where s.stop_id_token is not null and lower(s.stop_id_token) <> lower(s.id_token) and lower(s.stop_id_token) = any (p_keys)
        and private.held_by(p_driver_id, s.cpo_id, s.stop_id_token, s.stopped_at)
$$;

insert into private.driver_data (place, relation, belongs, shown, erased) values
(10, 'ocpp_messages',
    'r.charger_id in (select s.charger_id from private.sessions_of($1, $2) s) and exists (select 1 from unnest($2) k where strpos(lower(r.payload), k) > 0)',
    'r.at, r.charger_id, r.direction, r.kind, r.action, r.payload',
    'payload = private.frame_without_tokens(payload, $2)'),
(20, 'commands',
    '(lower(r.payload ->> ''idTag'') = any ($2) and private.held_by($1, r.cpo_id, r.payload ->> ''idTag'', r.created_at))
     or (r.action = ''SendLocalList'' and private.names_token(r.payload, $2))',
    'r.created_at, r.charger_id, r.action, r.status, r.effect,
     case when r.action <> ''SendLocalList'' then r.payload end as payload',
    'payload = private.without_tokens(payload, $2), response = private.without_tokens(response, $2)'),
(30, 'local_list_orders',
    'private.names_token(r.parts, $2)',
    'r.created_at, r.charger_id, r.mode, r.status',
    'parts = private.without_tokens(parts, $2)'),
(40, 'local_lists',
    'exists (select 1 from public.local_list_entries e where e.charger_id = r.charger_id and e.token_key = any ($2))',
    'r.charger_id, r.accepted_at',
    'version = null'),  -- what the charger holds is no longer known here: a full list replaces it
(41, 'local_list_entries',
    'r.token_key = any ($2)', 'r.charger_id, r.id_token, r.status, r.expires_at', 'delete'),
(50, 'reservations',
    'r.token_key = any ($2) and private.held_by($1, r.cpo_id, r.id_token, r.created_at)',
    'r.*',
    'id_token = private.pseudonym(), parent_token = null, requested_by_name = null'),
(60, 'orphan_stops',
    'lower(r.id_token) = any ($2) and private.held_by($1, r.cpo_id, r.id_token, r.stopped_at)',
    'r.*', 'id_token = null'),
(70, 'meter_values',
    'r.session_id in (select s.id from private.sessions_of($1, $2) s)',
    'r.session_id, r.measured_at, r.energy_wh, r.power_w, r.current_a, r.voltage_v, r.soc_percent, r.temperature_c', null),
(71, 'session_reviews',
    'r.session_id in (select s.id from private.sessions_of($1, $2) s)',
    'r.session_id, r.held_at, r.evidence, r.proposal, r.decision, r.decided_at, r.billable_energy_wh', null),
(72, 'sessions',
    'r.id in (select s.id from private.sessions_of($1, $2) s)',
    'r.*',
    -- The key was made of the token: whoever knows the token could make it again.
    'id_token = case when lower(id_token) = any ($2) then private.pseudonym() else id_token end,
     stop_id_token = case when lower(stop_id_token) = any ($2) then private.pseudonym() else stop_id_token end,
     parent_token = case when lower(id_token) = any ($2) then null else parent_token end,
     start_key = case when lower(id_token) = any ($2) then private.pseudonym() else start_key end'),
(80, 'id_tokens',
    'r.id in (select t.id_token_id from public.driver_tokens t where t.driver_id = $1 and t.held_until is null)',
    'r.*', 'delete'),
(81, 'driver_tokens', 'r.driver_id = $1', 'r.*', 'delete'),
(82, 'driver_contacts', 'r.driver_id = $1', 'r.contact', 'delete'),
(83, 'driver_cpos', 'r.driver_id = $1', 'r.cpo_id, r.since', 'delete'),
(84, 'driver_consents', 'r.driver_id = $1',
    'r.purpose, r.text_version, r.given, r.at, r.method', 'recorded_by = null, recorded_by_name = null'),
(85, 'audit_log', 'r.object_type = ''driver'' and r.object_id = $1::text', 'r.at, r.actor_role, r.action', null),
(90, 'drivers', 'r.id = $1', 'r.*',
    'name = null, user_id = null, registered_by = null, car = null, battery_wh = null, erased_at = now(), updated_at = now()'),
(91, 'refresh_tokens', 'r.user_id = $3', 'r.created_at, r.expires_at, r.used_at, r.revoked_at', 'delete'),
(92, 'users', 'r.id = $3', 'r.id, r.email, r.name, r.role, r.active, r.locale, r.last_login_at, r.created_at', 'delete');

create function private.pseudonym() returns text
language sql volatile set search_path = '' as $$
    select 'erased-' || left(replace(gen_random_uuid()::text, '-', ''), 12)
$$;

-- The EMSV's administrator and the driver, nobody else.
create function private.answers_for_driver(p_driver_id uuid) returns boolean
language sql stable set search_path = '' as $$
    select private.writes_all() or coalesce(p_driver_id = private.own_driver(), false)
$$;

-- All that is kept of a driver: {<table>: [rows]}. Runs as its owner. Error: driver_not_found.
create function public.export_driver(p_driver_id uuid) returns json
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
    part record;
    rows json;
    found_all jsonb := '{}';
    keys text[];
    v_user uuid;
begin
    select user_id into v_user from public.drivers where id = p_driver_id and private.answers_for_driver(p_driver_id);
    if not found then
        perform private.refuse_driver();
    end if;
    keys := private.token_keys(p_driver_id);
    for part in select * from private.driver_data order by place loop
        execute format('select coalesce(json_agg(t), ''[]'') from (select %s from public.%I r where %s) t',
                       part.shown, part.relation, part.belongs)
            into rows using p_driver_id, keys, v_user;
        found_all := found_all || jsonb_build_object(part.relation, rows);
    end loop;
    perform private.note_driver(p_driver_id, 'export');
    return found_all;
end
$$;

-- Erases a driver: personal data are deleted, sessions and what hangs on them keep their figures under a pseudonym each,
-- tokens are free. Once erased, asking again changes nothing. Returns when. Runs as its owner.
-- Errors: driver_not_found, driver_busy.
create function public.erase_driver(p_driver_id uuid) returns timestamptz
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
    driver public.drivers;
    part record;
    keys text[];
begin
    select * into driver from public.drivers where id = p_driver_id and private.answers_for_driver(p_driver_id) for update;
    if not found then
        perform private.refuse_driver();
    end if;
    if driver.erased_at is not null then
        return driver.erased_at;
    end if;
    keys := private.token_keys(p_driver_id);
    if exists (select 1 from private.sessions_of(p_driver_id, keys) s where s.stopped_at is null)
       or exists (select 1 from public.reservations r where r.token_key = any (keys) and r.status in ('requested', 'active')
                  and private.held_by(p_driver_id, r.cpo_id, r.id_token, r.created_at)) then
        raise exception using errcode = 'P0001', hint = 'driver_busy',
            message = 'A session or a reservation of this driver has not ended yet; end it first.';
    end if;
    for part in select * from private.driver_data where erased is not null order by place loop
        if part.erased = 'delete' then
            execute format('delete from public.%I r where %s', part.relation, part.belongs)
                using p_driver_id, keys, driver.user_id;
        else
            execute format('update public.%I r set %s where %s', part.relation, part.erased, part.belongs)
                using p_driver_id, keys, driver.user_id;
        end if;
    end loop;
    perform private.note_driver(p_driver_id, 'erase');
    return now();
end
$$;

revoke execute on function private.text_without(text, text[]), private.without_tokens(jsonb, text[]), private.names_token(jsonb, text[]),
    private.frame_without_tokens(text, text[]), private.sessions_of(uuid, text[]), private.pseudonym(),
    private.answers_for_driver(uuid), public.export_driver(uuid), public.erase_driver(uuid) from public;
grant execute on function public.export_driver(uuid), public.erase_driver(uuid) to authenticated, service_role;

-- ---------------------------------------------------------------- retention

-- What is kept for how long, one row a class and table: rows whose `aged` lies further back than the days of the class are
-- deleted, or become what `changed` says. The days come from backend/domain/retention.py.
create table private.retention (
    class text not null,
    relation text not null,
    aged text not null,
    due text not null default 'true',
    changed text,
    primary key (class, relation)
);
grant select on private.retention to service_role;
insert into private.retention (class, relation, aged, due, changed) values
('commands', 'commands', 'created_at',
    'status not in (''queued'', ''sent'') and effect <> ''pending'' and not exists (
        select 1 from public.log_jobs j where j.command_id = r.id and j.content_name is not null)', null),
('commands', 'local_list_orders', 'ended_at', 'true', null),
('reservations', 'reservations', 'ended_at', 'true', null),
('security_events', 'security_events', 'received_at', 'true', null),
('security_events', 'gate_refusals', 'last_at', 'true', null),
('stops_without_session', 'orphan_stops', 'received_at', 'true', null),
('who_charged', 'sessions', 'started_at', 'stopped_at is not null and id_token !~ ''^erased-[0-9a-f]{12}$''',
    'id_token = private.pseudonym(), parent_token = null, start_key = private.pseudonym(),
     stop_id_token = case when stop_id_token is not null then private.pseudonym() end');

-- Drops months of readings past their time, and what lies in the default partition.
create function private.expire_readings(p_days integer, p_limit integer) returns bigint
language plpgsql set search_path = '' set timezone = 'UTC' as $$
declare
    part text;
    gone bigint;
begin
    for part in
        select c.relname from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.meter_values'::regclass and c.relname ~ '^meter_values_\d{6}$'
          and to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' < now() - make_interval(days => p_days)
    loop
        execute format('drop table public.%I', part);
    end loop;
    with old as (
        select ctid from public.meter_values_default where measured_at < now() - make_interval(days => p_days) limit p_limit
    ), deleted as (
        delete from public.meter_values_default d using old where d.ctid = old.ctid returning 1
    )
    select count(*) from deleted into gone;
    return gone;
end
$$;

-- {<class>: days}: does away with what is older, at most p_limit rows a table; returns {<table>: rows}, tables without any
-- left out. Runs as the owner of the tables; only the platform may call it.
create function public.expire_data(p_days jsonb, p_limit integer) returns json
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
    part record;
    gone bigint;
    all_gone jsonb := '{}';
begin
    for part in select r.*, (p_days ->> r.class)::integer as days from private.retention r where p_days ? r.class loop
        execute format('with old as (select tableoid, ctid from public.%I r where %s < now() - make_interval(days => $1) and (%s)
                                     limit $2), gone as (%s returning 1) select count(*) from gone',
            part.relation, part.aged, part.due,
            case when part.changed is null
                 then format('delete from public.%I r using old where r.tableoid = old.tableoid and r.ctid = old.ctid', part.relation)
                 else format('update public.%I r set %s from old where r.tableoid = old.tableoid and r.ctid = old.ctid',
                             part.relation, part.changed) end)
            into gone using part.days, p_limit;
        if gone > 0 then
            all_gone := all_gone || jsonb_build_object(part.relation, gone);
        end if;
    end loop;
    if p_days ? 'readings' then
        gone := private.expire_readings((p_days ->> 'readings')::integer, p_limit);
        all_gone := all_gone || case when gone > 0 then jsonb_build_object('meter_values', gone) else '{}' end;
    end if;
    return all_gone;
end
$$;
revoke execute on function private.expire_readings(integer, integer), public.expire_data(jsonb, integer) from public;
grant execute on function public.expire_data(jsonb, integer) to service_role;

-- Uploaded logs past their time: [{job_id, content_name}]. The content goes first, then its name here.
create index log_jobs_kept on public.log_jobs (received_at) where content_name is not null;
create function public.overdue_logs(p_keep_days integer, p_limit integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_object('job_id', id, 'content_name', content_name)), '[]') from (
        select id, content_name from public.log_jobs
        where content_name is not null and received_at < now() - make_interval(days => p_keep_days)
        order by received_at limit p_limit) t
$$;
revoke execute on function public.overdue_logs(integer, integer) from public;
grant execute on function public.overdue_logs(integer, integer) to service_role;
