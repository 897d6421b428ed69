-- Charging profiles: limits that chargers are given (OCPP 1.6 §3.13, §5.5, §5.7, §5.16), which charger holds which,
-- and what chargers say they will allow. Limits are exact: one digit behind the point, as on the wire.

create table public.charging_profiles (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid not null references public.cpos (id),
    wire_id integer not null check (wire_id > 0),   -- chargingProfileId
    name text not null check (length(name) between 1 and 120),
    purpose text not null check (purpose in ('ChargePointMaxProfile', 'TxDefaultProfile', 'TxProfile')),
    stack_level integer not null check (stack_level >= 0),
    kind text not null check (kind in ('Absolute', 'Recurring', 'Relative')),
    recurrency text check (recurrency in ('Daily', 'Weekly')),
    valid_from timestamptz,
    valid_to timestamptz,
    starts_at timestamptz,                          -- startSchedule
    duration_s integer check (duration_s > 0),
    rate_unit text not null check (rate_unit in ('A', 'W')),
    min_rate numeric(10, 1),                        -- in rate_unit
    periods jsonb not null check (jsonb_typeof(periods) = 'array' and jsonb_array_length(periods) between 1 and 1000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (cpo_id, name),
    unique (cpo_id, wire_id),
    check ((kind = 'Recurring') = (recurrency is not null)),
    check (valid_to > valid_from)
);
comment on column public.charging_profiles.periods is '[{start_s, limit, phases | null}], limit in rate_unit';
create index charging_profiles_newest on public.charging_profiles (name, id);

-- What a charger holds, as its answers tell; `removed_at` ends it.
create table public.held_profiles (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    connector_id integer not null,                  -- as numbered on the charger; 0: the charger as a whole
    wire_id integer not null,
    purpose text not null,
    stack_level integer not null,
    transaction_id integer,
    session_id uuid,
    profile jsonb not null,                         -- as sent
    template_id uuid references public.charging_profiles (id) on delete set null,
    command_id uuid unique,
    installed_at timestamptz not null,
    removed_at timestamptz,
    removed_because text check (removed_because in ('cleared', 'unknown', 'replaced', 'session_ended'))
);
create index held_profiles_charger on public.held_profiles (charger_id, installed_at desc, id desc);
create index held_profiles_cpo on public.held_profiles (cpo_id, installed_at desc, id desc);
create index held_profiles_template on public.held_profiles (template_id);
create index held_profiles_session on public.held_profiles (session_id) where removed_at is null;

-- What a charger said it would allow, all its limits taken together.
create table public.composite_schedules (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    connector_id integer not null,
    starts_at timestamptz not null,
    duration_s integer,
    rate_unit text not null,
    min_rate numeric(15, 1),
    periods jsonb not null,                         -- as in charging_profiles
    command_id uuid unique,
    received_at timestamptz not null
);
create index composite_schedules_charger on public.composite_schedules (charger_id, received_at desc, id desc);
create index composite_schedules_cpo on public.composite_schedules (cpo_id);

call private.protect('public.charging_profiles', array['cpo_admin', 'cpo_operator', 'integrator']);
call private.protect('public.held_profiles', array[]::text[]);
call private.protect('public.composite_schedules', array[]::text[]);
grant select, insert, update, delete on public.charging_profiles, public.held_profiles, public.composite_schedules
    to service_role;
grant select, insert, update, delete on public.charging_profiles to authenticated;
grant select on public.held_profiles, public.composite_schedules to authenticated;

create view public.held_profile_details with (security_invoker = true) as
select h.id, h.cpo_id, h.charger_id, h.connector_id, h.wire_id, h.purpose, h.stack_level, h.transaction_id, h.session_id,
    h.profile, h.template_id, p.name as template_name, h.command_id, h.installed_at, h.removed_at, h.removed_because,
    h.removed_at is null as held
from public.held_profiles h left join public.charging_profiles p on p.id = h.template_id;
grant select on public.held_profile_details to authenticated, service_role;

-- Limits of a schedule as numerics with one digit: [{start_s, limit, phases}]. What is no schedule gives null.
create function private.schedule_periods(p_schedule jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    return (select jsonb_agg(jsonb_build_object('start_s', (e ->> 'startPeriod')::bigint,
            'limit', round((e ->> 'limit')::numeric, 1), 'phases', (e ->> 'numberPhases')::integer) order by place)
        from jsonb_array_elements(p_schedule -> 'chargingSchedulePeriod') with ordinality as t(e, place));
exception when others then
    return null;
end
$$;

-- ---------------------------------------------------------------- templates

-- A template under the given number, or the CPO's next. {name, wire_id, purpose, …} in the columns of the table.
-- Errors: charging_profile_exists (name or number taken).
create function public.create_charging_profile(p_cpo_id uuid, p_profile jsonb) returns uuid
language plpgsql set search_path = '' as $$
declare
    made public.charging_profiles := jsonb_populate_record(null::public.charging_profiles, p_profile);
begin
    perform pg_advisory_xact_lock(hashtext('charging_profiles ' || p_cpo_id::text));
    made.id := coalesce(made.id, gen_random_uuid());
    made.cpo_id := p_cpo_id;
    made.created_at := now();
    made.updated_at := now();
    perform from public.charging_profiles where id = made.id and cpo_id = p_cpo_id;
    if found then  -- asked again, because the answer was lost
        return made.id;
    end if;
    made.wire_id := coalesce(made.wire_id,
        (select coalesce(max(wire_id), 0) + 1 from public.charging_profiles where cpo_id = p_cpo_id and wire_id < 2147483647));
    insert into public.charging_profiles select made.*;
    return made.id;
exception when unique_violation then
    raise exception using errcode = 'P0001', hint = 'charging_profile_exists',
        message = 'The CPO has a charging profile with this name or number already.';
end
$$;

-- ---------------------------------------------------------------- what follows

-- A charger took a profile: it stands in the place of one with its number, and of one of its purpose and stack level
-- at the same connector (§5.16.2); a TxProfile ends with its session.
create function private.hold_profile(p_command public.commands, p_profile jsonb, p_connector_id integer,
    p_session public.sessions, p_at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    number integer := private.int32_of(p_profile -> 'chargingProfileId');
    level integer := private.int32_of(p_profile -> 'stackLevel');
    v_purpose text := p_profile ->> 'chargingProfilePurpose';
begin
    if number is null or level is null or v_purpose is null or p_connector_id is null
        or exists (select 1 from public.held_profiles where command_id = p_command.id) then
        return;
    end if;
    update public.held_profiles set removed_at = p_at, removed_because = 'replaced'
    where charger_id = p_command.charger_id and removed_at is null
      and (wire_id = number or purpose = v_purpose and stack_level = level and connector_id = p_connector_id
                                and session_id is not distinct from p_session.id);
    insert into public.held_profiles (cpo_id, charger_id, connector_id, wire_id, purpose, stack_level, transaction_id,
        session_id, profile, template_id, command_id, installed_at, removed_at, removed_because)
    values (p_command.cpo_id, p_command.charger_id, p_connector_id, number, v_purpose, level, p_session.transaction_id,
        p_session.id, p_profile,
        (select id from public.charging_profiles
         where cpo_id = p_command.cpo_id and wire_id = number and purpose = v_purpose),
        p_command.id, p_at, case when p_session.stopped_at is not null then p_at end,
        case when p_session.stopped_at is not null then 'session_ended' end);
end
$$;

create function private.keep_profile(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    v_profile jsonb := p_command.payload -> 'csChargingProfiles';
    v_connector_id integer := private.int32_of(p_command.payload -> 'connectorId');
    session public.sessions;
begin
    if p_command.status <> 'accepted' then
        return;
    end if;
    if v_profile ->> 'chargingProfilePurpose' = 'TxProfile' then
        select * into session from public.sessions s
        where s.charger_id = p_command.charger_id and case when v_profile ? 'transactionId'
            then s.transaction_id = private.int32_of(v_profile -> 'transactionId')
            else s.stopped_at is null and s.evse_id = v_connector_id end
        order by s.started_at desc limit 1;
    end if;
    perform private.hold_profile(p_command, v_profile, v_connector_id, session, p_command.answered_at);
end
$$;

-- Cleared is the profile of the number, or without one those that match every member given (§5.5). `Unknown` means
-- that the charger holds none of them.
create function private.clear_profiles(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    wish jsonb := p_command.payload;
begin
    if p_command.status <> 'accepted' and p_command.response ->> 'status' is distinct from 'Unknown' then
        return;
    end if;
    update public.held_profiles set removed_at = p_command.answered_at,
        removed_because = case when p_command.status = 'accepted' then 'cleared' else 'unknown' end
    where charger_id = p_command.charger_id and removed_at is null and case
        when wish ? 'id' then wire_id = private.int32_of(wish -> 'id')
        else (not wish ? 'connectorId' or connector_id = private.int32_of(wish -> 'connectorId'))
             and (not wish ? 'chargingProfilePurpose' or purpose = wish ->> 'chargingProfilePurpose')
             and (not wish ? 'stackLevel' or stack_level = private.int32_of(wish -> 'stackLevel')) end;
end
$$;

-- The last fifty of each charger are kept.
create function private.keep_composite_schedule(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    schedule jsonb := p_command.response -> 'chargingSchedule';
    v_periods jsonb := private.schedule_periods(schedule);
begin
    if p_command.status <> 'accepted' or v_periods is null then
        return;
    end if;
    insert into public.composite_schedules (cpo_id, charger_id, connector_id, starts_at, duration_s, rate_unit, min_rate,
        periods, command_id, received_at)
    select p_command.cpo_id, p_command.charger_id,
        coalesce(private.int32_of(p_command.response -> 'connectorId'), private.int32_of(p_command.payload -> 'connectorId'), 0),
        coalesce(private.moment_of(p_command.response ->> 'scheduleStart'), private.moment_of(schedule ->> 'startSchedule'),
                 p_command.answered_at),
        coalesce(private.int32_of(schedule -> 'duration'), private.int32_of(p_command.payload -> 'duration')),
        coalesce(left(schedule ->> 'chargingRateUnit', 10), 'W'),
        case when jsonb_typeof(schedule -> 'minChargingRate') = 'number'
             then least((schedule ->> 'minChargingRate')::numeric, 99999999999) end,
        v_periods, p_command.id, p_command.answered_at
    on conflict (command_id) do nothing;
    delete from public.composite_schedules where charger_id = p_command.charger_id and id in (
        select id from public.composite_schedules where charger_id = p_command.charger_id
        order by received_at desc, id desc offset 50);
end
$$;
insert into private.answer_reactions values
    ('SetChargingProfile', 'private.keep_profile(public.commands)'),
    ('ClearChargingProfile', 'private.clear_profiles(public.commands)'),
    ('GetCompositeSchedule', 'private.keep_composite_schedule(public.commands)');

-- A session that answers a remote start brings the profile that travelled with it.
create function private.hold_started_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    command public.commands;
begin
    select * into command from public.commands where id = new.command_id and payload ? 'chargingProfile';
    if found then
        perform private.hold_profile(command, command.payload -> 'chargingProfile', new.evse_id, new, new.start_received_at);
    end if;
    return null;
end
$$;
create trigger profile_held after update of command_id on public.sessions for each row
    when (new.command_id is not null and new.command_id is distinct from old.command_id)
    execute function private.hold_started_profile();

-- A TxProfile dies with its session (§3.13.1).
create function private.drop_session_profiles() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update public.held_profiles set removed_at = now(), removed_because = 'session_ended'
    where session_id = new.id and removed_at is null;
    return null;
end
$$;
create trigger profiles_dropped after update of stopped_at on public.sessions for each row
    when (old.stopped_at is null and new.stopped_at is not null) execute function private.drop_session_profiles();

revoke execute on function private.schedule_periods(jsonb), public.create_charging_profile(uuid, jsonb),
    private.hold_profile(public.commands, jsonb, integer, public.sessions, timestamptz), private.keep_profile(public.commands),
    private.clear_profiles(public.commands), private.keep_composite_schedule(public.commands),
    private.hold_started_profile(), private.drop_session_profiles() from public;
grant execute on function public.create_charging_profile(uuid, jsonb) to authenticated, service_role;
grant execute on function private.schedule_periods(jsonb),
    private.hold_profile(public.commands, jsonb, integer, public.sessions, timestamptz), private.keep_profile(public.commands),
    private.clear_profiles(public.commands), private.keep_composite_schedule(public.commands) to service_role;
