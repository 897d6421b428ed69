-- A new password whose answer was lost is waited for, as one that was accepted is; chargers that show no password get none
-- by a campaign; passwords that never arrived do not bar the next one for ever.

-- Whether a charger has so many passwords on their way that no further one may follow: it may hold any of them, and none
-- can make room as long as it has not come back with something else.
create function private.passwords_are_full(p_charger_id text) returns boolean
language sql stable set search_path = '' as $$
    select count(*) >= 20 and not coalesce(bool_or(k.sent_at < c.connected_at), false)
    from public.charger_keys k left join public.connections c on c.charger_id = k.charger_id
    where k.charger_id = p_charger_id
$$;

-- As before. Of more than twenty, those make room that a charger has come back without: what it used instead was proven,
-- or was its certificate. The oldest without an answer go first, and then the oldest that it accepted.
create or replace function public.expect_password(p_command_id uuid, p_password_hash text) returns boolean
language plpgsql set search_path = '' as $$
declare
    v_charger_id text := (select charger_id from public.commands where id = p_command_id);
begin
    insert into public.charger_keys (id, cpo_id, charger_id, password_hash)
    select m.id, m.cpo_id, m.charger_id, p_password_hash from public.commands m
    where m.id = p_command_id and m.status = 'sent'
    on conflict (id) do nothing;
    delete from public.charger_keys where id in (
        select k.id from public.charger_keys k join public.connections c on c.charger_id = k.charger_id
        where k.charger_id = v_charger_id and k.id <> p_command_id and k.sent_at < c.connected_at
        order by k.accepted_at is not null, k.seq
        limit greatest(0, (select count(*) - 20 from public.charger_keys where charger_id = v_charger_id)));
    return exists (select from public.charger_keys where id = p_command_id and password_hash = p_password_hash);
end
$$;

-- As before, and whether a further password may be sent.
create or replace function public.charger_security(p_charger_id text) returns json
language sql stable set search_path = '' as $$
    select json_build_object('charger_id', c.id,
        'profile', greatest(c.security_profile, c.has_password::integer),
        'wanted_profile', c.wanted_profile, 'wanted_profile_state', c.wanted_profile_state,
        'wanted_profile_at', c.wanted_profile_at, 'wanted_profile_command_id', c.wanted_profile_command_id,
        'has_password', c.has_password, 'password_changed_at', c.password_changed_at,
        'pending_passwords', (select coalesce(json_agg(json_build_object('command_id', k.id, 'sent_at', k.sent_at,
            'accepted_at', k.accepted_at) order by k.sent_at), '[]') from public.charger_keys k where k.charger_id = c.id),
        'passwords_full', private.passwords_are_full(c.id),
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

-- As before. A charger at profile 3 shows its certificate and no password, so it could never prove a new one.
create or replace function private.preview_password_campaign(p_parameters jsonb, p_charger public.chargers) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('changes', '[{"key": "AuthorizationKey"}]'::jsonb, 'skip', case
        when p_charger.password_hash is null then 'no_password'
        when p_charger.security_profile = 3 or exists (select from public.connections k
            where k.charger_id = p_charger.id and k.security_profile = 3) then 'profile_3'
        when private.passwords_are_full(p_charger.id) then 'passwords_on_their_way' end)
$$;

-- What the charger uses is the proof, not what it answers: as long as the new password is valid, one whose answer was lost
-- is waited for like one that was accepted, until the time of the campaign is over. Then it is unproven, and counts as a
-- failure: nobody knows whether the charger can come back with it. Both stay valid.
create or replace function private.look_at_password_campaign(p_campaign public.campaigns, p_target public.campaign_targets)
    returns jsonb
language sql stable set search_path = '' as $$
    select case when m.effect = 'observed' then '{"state": "succeeded", "reason": "proven"}'
        when m.status = 'accepted' and k.id is null then '{"state": "failed", "reason": "another_password"}'
        when m.status in ('queued', 'sent') or k.id is null then private.campaign_command_result(p_target)
        when p_target.begun_at < now() - make_interval(secs => p_campaign.timeout_s)
            then '{"state": "failed", "reason": "unproven"}'
        when m.status = 'accepted' then '{"reason": "accepted"}'
        else '{"reason": "unanswered"}'::jsonb end
    from public.commands m left join public.charger_keys k on k.id = m.id
    where m.id = (p_target.reference ->> 'command_id')::uuid
$$;

revoke execute on function private.passwords_are_full(text) from public;
grant execute on function private.passwords_are_full(text) to authenticated, service_role;
