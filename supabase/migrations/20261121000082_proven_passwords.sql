-- A new password counts when the charger has used it, not when it says that it accepted it.

-- As before; the command that brought the password has its effect observed when the charger comes with it.
create or replace function private.note_credentials(p_rows json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    update public.connections k set security_profile = x.security_profile, certificate_id = x.certificate_id
    from json_to_recordset(p_rows) as x(connection_id uuid, charger_id text, security_profile smallint, certificate_id uuid)
    where k.charger_id = x.charger_id and k.connection_id = x.connection_id
      and (k.security_profile, k.certificate_id) is distinct from (x.security_profile, x.certificate_id);
    for r in
        select k.charger_id, k.password_hash, k.seq, k.id
        from json_to_recordset(p_rows) as x(charger_id text, password_hash text)
        join public.charger_keys k on k.charger_id = x.charger_id and k.password_hash = x.password_hash
        order by k.seq
    loop
        update public.chargers set password_hash = r.password_hash, updated_at = now() where id = r.charger_id;
        delete from public.charger_keys where charger_id = r.charger_id and seq <= r.seq;
        update public.commands set effect = 'observed', effect_at = now() where id = r.id and effect <> 'observed';
        perform private.note_security(r.charger_id, 'PasswordChanged', 'The charger uses its new password.');
    end loop;
    for r in
        update public.chargers c set security_profile = c.wanted_profile, wanted_profile = null,
            wanted_profile_state = null, wanted_profile_at = now(), wanted_profile_command_id = null, updated_at = now()
        from json_to_recordset(p_rows) as x(charger_id text, security_profile smallint)
        where c.id = x.charger_id and c.wanted_profile <= x.security_profile
          and c.wanted_profile > c.security_profile and c.wanted_profile_state <> 'rejected'
          and (c.wanted_profile = 3 or c.password_hash is not null)
        returning c.id, c.security_profile
    loop
        perform private.note_security(r.id, 'SecurityProfileRaised', 'The charger uses profile ' || r.security_profile || '.');
    end loop;
    update public.certificates t set last_used_at = x.at, state = 'installed',
        state_at = case when t.state = 'installed' then t.state_at else x.at end
    from json_to_recordset(p_rows) as x(certificate_id uuid, at timestamptz)
    where t.id = x.certificate_id and t.state in ('issued', 'installed')
      and (t.state = 'issued' or t.last_used_at is null or t.last_used_at < x.at - interval '1 hour');
end
$$;

-- Accepted is half of the way: until the charger has come with the new password, or the time of the campaign is over. Then
-- it is unproven, and counts as a failure: nobody knows whether the charger can come back with it. Both stay valid.
create function private.look_at_password_campaign(p_campaign public.campaigns, p_target public.campaign_targets) returns jsonb
language sql stable set search_path = '' as $$
    select case when m.effect = 'observed' then '{"state": "succeeded", "reason": "proven"}'
        when m.status <> 'accepted' then private.campaign_command_result(p_target)
        when not exists (select from public.charger_keys k where k.id = m.id) then '{"state": "failed", "reason": "another_password"}'
        when p_target.begun_at < now() - make_interval(secs => p_campaign.timeout_s)
            then '{"state": "failed", "reason": "unproven"}'
        else '{"reason": "accepted"}'::jsonb end
    from public.commands m where m.id = (p_target.reference ->> 'command_id')::uuid
$$;
update private.campaign_kinds
set look = 'private.look_at_password_campaign(public.campaigns, public.campaign_targets)'::regprocedure
where kind = 'password_rotation';
drop function private.look_at_command_campaign(public.campaigns, public.campaign_targets);

-- As before; what is known of a charger on its way is shown as well.
create or replace function private.look_at_campaign(p_campaign public.campaigns) returns integer
language plpgsql set search_path = '' as $$
declare
    v_look regproc := (select look::regproc from private.campaign_kinds where kind = p_campaign.kind);
    target public.campaign_targets;
    seen jsonb;
    moved integer := 0;
begin
    for target in select * from public.campaign_targets where campaign_id = p_campaign.id and state = 'running'
                  order by position for update
    loop
        execute format('select %s($1, $2)', v_look) into seen using p_campaign, target;
        if seen ->> 'state' is null and target.begun_at < now() - make_interval(secs => p_campaign.timeout_s) then
            seen := '{"state": "failed", "reason": "timed_out"}';
        end if;
        if seen ->> 'state' is not null then
            update public.campaign_targets set state = seen ->> 'state', reason = left(seen ->> 'reason', 300), ended_at = now()
            where campaign_id = target.campaign_id and charger_id = target.charger_id;
            moved := moved + 1;
        elsif seen ->> 'reason' is distinct from target.reason then
            update public.campaign_targets set reason = left(seen ->> 'reason', 300)
            where campaign_id = target.campaign_id and charger_id = target.charger_id;
        end if;
    end loop;
    update public.campaign_targets g set state = 'skipped', ended_at = now(),
        reason = case when private.is_connected(g.charger_id) then 'stayed_busy' else 'stayed_offline' end
    where g.campaign_id = p_campaign.id and g.state = 'waiting' and g.wave = p_campaign.wave and p_campaign.state = 'running'
      and p_campaign.wave_began_at < now() - make_interval(secs => p_campaign.timeout_s);
    return moved;
end
$$;

revoke execute on function private.look_at_password_campaign(public.campaigns, public.campaign_targets) from public;
grant execute on function private.look_at_password_campaign(public.campaigns, public.campaign_targets) to service_role;
