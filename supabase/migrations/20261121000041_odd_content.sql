-- What chargers and people write is bounded where it is kept, so that it can be read again; configuration keys are
-- compared without regard to case where credentials hang on them.

-- Times that readers of JSON know: the years 1 to 9999. PostgreSQL also takes `infinity`, `now`, `2026-01-01 BC`.
create function private.within_years(p_at timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$
    select least(greatest(p_at, '0001-01-01 00:00:00+00'::timestamptz), '9999-12-31 23:59:59+00'::timestamptz)
$$;
revoke execute on function private.within_years(timestamptz) from public;
grant execute on function private.within_years(timestamptz) to authenticated, service_role;

create or replace function private.read_time(p_text text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
    return private.within_years(p_text::timestamptz);
exception when others then
    return null;
end
$$;

create or replace function private.moment_of(p_text text) returns timestamptz
language plpgsql stable set search_path = '' set timezone = 'UTC' as $$
begin
    return case when p_text ~ '^\d{4}-\d\d-\d\d' then private.within_years(p_text::timestamptz) end;
exception when others then
    return null;
end
$$;

-- A time that a charger wrote, null if it cannot be read, or is none that a clock can show.
create or replace function private.readable_time(p_text text) returns timestamptz
language plpgsql stable set search_path = '' set timezone = 'UTC' as $$
begin
    return case when p_text ~ '^\s*\d' and p_text::timestamptz = private.within_years(p_text::timestamptz)
                then p_text::timestamptz end;
exception when others then
    return null;
end
$$;

-- Limits of a schedule as numerics with one digit: [{start_s, limit, phases}]. What is no schedule gives null.
create or replace function private.schedule_periods(p_schedule jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    return (select case when bool_and(e ->> 'startPeriod' is not null and e ->> 'limit' is not null)
            then jsonb_agg(jsonb_build_object('start_s', (e ->> 'startPeriod')::integer,
                'limit', round((e ->> 'limit')::numeric(15, 1), 1), 'phases', (e ->> 'numberPhases')::integer)
                order by place) end
        from jsonb_array_elements(p_schedule -> 'chargingSchedulePeriod') with ordinality as t(e, place));
exception when others then
    return null;
end
$$;

-- The last fifty of each charger are kept.
create or replace function private.keep_composite_schedule(p_command public.commands) returns void
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
             then least(greatest((schedule ->> 'minChargingRate')::numeric, -99999999999), 99999999999) end,
        v_periods, p_command.id, p_command.answered_at
    on conflict (command_id) do nothing;
    delete from public.composite_schedules where charger_id = p_command.charger_id and id in (
        select id from public.composite_schedules where charger_id = p_command.charger_id
        order by received_at desc, id desc offset 50);
end
$$;

-- AuthorizationKey: only a clear no takes the new password back; a lost answer proves nothing.
-- SecurityProfile: the charger's word is noted; what counts is the profile it comes back with.
-- Keys are CiStrings (OCPP 1.6 §7.28): a charger takes `authorizationkey` for its password, too.
create or replace function private.settle_credentials(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    v_key text := lower(p_command.payload ->> 'key');
    v_profile smallint;
begin
    if v_key = 'authorizationkey' then
        delete from public.charger_keys where id = p_command.id and (p_command.status = 'rejected'
            or p_command.status = 'failed' and p_command.error_code in ('NotImplemented', 'NotSupported'));
        update public.charger_keys set accepted_at = p_command.answered_at
        where id = p_command.id and p_command.status = 'accepted';
    elsif v_key = 'securityprofile' and p_command.payload ->> 'value' ~ '^[1-3]$' then
        v_profile := (p_command.payload ->> 'value')::smallint;
        update public.chargers set wanted_profile = v_profile, wanted_profile_state = p_command.status,
            wanted_profile_at = p_command.answered_at, wanted_profile_command_id = p_command.id
        where id = p_command.charger_id and v_profile > security_profile
          and (p_command.status = 'accepted' or wanted_profile_command_id = p_command.id);
    end if;
end
$$;
