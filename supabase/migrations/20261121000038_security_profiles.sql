-- The way up through the security profiles, and the clock's part in it.

-- Is there an OCPP server that offers TLS?
create function private.offers_tls() returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.nodes where seen_at > now() - interval '30 seconds' and stats ->> 'tls_port' is not null)
$$;

-- What stands in the way of a profile: password, tls, root_certificate, client_certificate.
create function private.profile_obstacles(p_charger_id text, p_profile integer) returns text[]
language sql stable set search_path = '' as $$
    select array_remove(array[
        case when p_profile in (1, 2) and not c.has_password
             and not exists (select from public.charger_keys k where k.charger_id = c.id and k.accepted_at is not null)
             then 'password' end,
        case when p_profile >= 2 and not private.offers_tls() then 'tls' end,
        case when p_profile >= 2 and not exists (
             select from public.certificates t where t.charger_id = c.id and t.kind = 'CentralSystemRootCertificate'
             and t.state = 'installed' and coalesce(t.not_after > now(), true)) then 'root_certificate' end,
        case when p_profile = 3 and not exists (
             select from public.certificates t where t.charger_id = c.id and t.kind = 'ChargePointCertificate'
             and t.state = 'installed' and now() between t.not_before and t.not_after) then 'client_certificate' end], null)
    from public.chargers c where c.id = p_charger_id
$$;

-- Asks a charger to raise its profile. The old one stays good until it has come with the new one.
-- Errors: charger_not_found, security_profile_conflict (not higher), security_profile_busy, precondition_conflict, and
-- those of enqueue_command.
create function public.raise_security_profile(p_charger_id text, p_profile integer, p_idempotency_key text,
    p_queue boolean, p_expires_in_s integer, p_requested_by_name text) returns json
language plpgsql set search_path = '' as $$
declare
    v_charger record;
    v_command json;
    v_obstacles text[];
begin
    select id, greatest(security_profile, has_password::integer) as profile, security_profile, wanted_profile_state as state
    into v_charger from public.chargers where id = p_charger_id for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such charger.', hint = 'charger_not_found';
    end if;
    if not exists (select from public.commands where requested_by is not distinct from private.user_id()
                   and idempotency_key = p_idempotency_key) then
        v_obstacles := private.profile_obstacles(p_charger_id, p_profile);
        if p_profile <= v_charger.security_profile then
            raise exception using errcode = 'P0001', hint = 'security_profile_conflict',
                message = format('The charger has security profile %s already; OCPP allows no way down.', v_charger.profile);
        elsif v_charger.state in ('asked', 'accepted') then
            raise exception using errcode = 'P0001', hint = 'security_profile_busy',
                message = 'A change of the security profile is under way.';
        elsif v_obstacles <> '{}' then
            raise exception using errcode = 'P0001', hint = 'precondition_conflict',
                message = 'Missing for this profile: ' || array_to_string(v_obstacles, ', ') || '.';
        end if;
    end if;
    v_command := public.enqueue_command(p_charger_id, 'ChangeConfiguration',
        jsonb_build_object('key', 'SecurityProfile', 'value', p_profile::text), p_idempotency_key, p_queue, p_expires_in_s,
        p_requested_by_name);
    update public.chargers set wanted_profile = p_profile, wanted_profile_state = 'asked', wanted_profile_at = now(),
        wanted_profile_command_id = (v_command ->> 'id')::uuid, updated_at = now()
    where id = p_charger_id and v_command ->> 'status' = 'queued';
    return v_command;
end
$$;

-- Records a profile that the charger has by hand: set at the factory, or reset there. Errors: charger_not_found,
-- security_profile_conflict (it needs a password).
create function public.set_security_profile(p_charger_id text, p_profile integer) returns void
language plpgsql set search_path = '' as $$
begin
    update public.chargers set security_profile = p_profile, wanted_profile = null, wanted_profile_state = null,
        wanted_profile_at = now(), wanted_profile_command_id = null, updated_at = now()
    where id = p_charger_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such charger.', hint = 'charger_not_found';
    end if;
end
$$;

-- A charger's profile and the state of its password; null when there is none to see.
create function public.charger_security(p_charger_id text) returns json
language sql stable set search_path = '' as $$
    select json_build_object('charger_id', c.id,
        'profile', greatest(c.security_profile, c.has_password::integer),
        'wanted_profile', c.wanted_profile, 'wanted_profile_state', c.wanted_profile_state,
        'wanted_profile_at', c.wanted_profile_at, 'wanted_profile_command_id', c.wanted_profile_command_id,
        'has_password', c.has_password, 'password_changed_at', c.password_changed_at,
        'pending_passwords', (select coalesce(json_agg(json_build_object('command_id', k.id, 'sent_at', k.sent_at,
            'accepted_at', k.accepted_at) order by k.sent_at), '[]') from public.charger_keys k where k.charger_id = c.id),
        'connected_profile', (select k.security_profile from public.connections k
                              where k.charger_id = c.id and k.disconnected_at is null),
        'obstacles', json_build_object('1', private.profile_obstacles(c.id, 1), '2', private.profile_obstacles(c.id, 2),
                                       '3', private.profile_obstacles(c.id, 3)),
        'refusals', (select coalesce(json_agg(g order by g.last_at desc), '[]') from (
            select reason, sum(refused_count)::bigint as refused_count, min(first_at) as first_at, max(last_at) as last_at,
                (array_agg(last_address order by last_at desc))[1] as last_address
            from public.gate_refusals where charger_id = c.id group by reason) g))
    from public.chargers c where c.id = p_charger_id
$$;

-- The clock's part: asks chargers to renew certificates that end within so many days, once a day; and says of a wanted
-- profile that did not come within p_profile_s seconds that it did not. Returns how many things it did.
create function public.keep_security(p_renewal_days integer, p_profile_s integer) returns integer
language plpgsql set search_path = '' as $$
declare
    r record;
    done integer := 0;
begin
    for r in
        update public.certificates t set renewal_asked_at = now()
        from public.chargers c
        where c.id = t.charger_id and c.registration = 'accepted'
          and t.kind = 'ChargePointCertificate' and t.state = 'installed'
          and t.not_after between now() and now() + make_interval(days => p_renewal_days)
          and (t.renewal_asked_at is null or t.renewal_asked_at < now() - interval '1 day')
          and not exists (select from public.certificates n where n.charger_id = t.charger_id and n.kind = t.kind
                          and n.state in ('issued', 'installed') and n.not_after > t.not_after)
        returning t.id, t.charger_id
    loop
        perform public.enqueue_command(r.charger_id, 'ExtendedTriggerMessage',
            '{"requestedMessage": "SignChargePointCertificate"}', 'renewal ' || r.id || ' ' || now(), true, 86400, 'UNIEV');
        done := done + 1;
    end loop;
    for r in
        update public.chargers c set wanted_profile_state = 'timed_out', wanted_profile_at = now()
        from public.commands m
        where m.id = c.wanted_profile_command_id and c.wanted_profile_state in ('asked', 'accepted')
          and (m.status in ('expired', 'timed_out')
               or m.status = 'accepted' and m.answered_at < now() - make_interval(secs => p_profile_s))
        returning c.id, c.wanted_profile, c.security_profile
    loop
        perform private.note_security(r.id, 'SecurityProfileTimedOut', format(
            'The charger did not come with profile %s; profile %s stays.', r.wanted_profile, r.security_profile));
        done := done + 1;
    end loop;
    delete from public.security_events where received_at < now() - interval '400 days';
    delete from public.certificate_requests where state <> 'waiting' and received_at < now() - interval '400 days';
    return done;
end
$$;

revoke execute on function private.offers_tls(), private.profile_obstacles(text, integer),
    public.raise_security_profile(text, integer, text, boolean, integer, text),
    public.set_security_profile(text, integer), public.charger_security(text),
    public.keep_security(integer, integer) from public;
grant execute on function private.offers_tls(), private.profile_obstacles(text, integer),
    public.raise_security_profile(text, integer, text, boolean, integer, text),
    public.set_security_profile(text, integer), public.charger_security(text) to authenticated, service_role;
grant execute on function public.keep_security(integer, integer) to service_role;
