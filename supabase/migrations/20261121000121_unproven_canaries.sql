-- The rest of a fleet follows when a canary has done it, and not when all canaries were out of reach.

-- Whether a campaign may begin at a charger now: it is still the CPO's, accepted, connected and, if wished, idle.
create function private.may_begin(p_campaign public.campaigns, p_charger_id text) returns boolean
language sql stable set search_path = '' as $$
    select private.is_connected(p_charger_id)
        and exists (select from public.chargers c where c.id = p_charger_id and c.cpo_id = p_campaign.cpo_id
                    and c.registration = 'accepted')
        and not (p_campaign.only_idle and exists (
            select from public.sessions s where s.charger_id = p_charger_id and s.stopped_at is null))
$$;

-- As before, but that canaries are taken among those that are connected and idle, if there are any.
create or replace function private.campaign_candidates(p_campaign public.campaigns)
returns table (charger_id text, skip text, changes jsonb, connected boolean, busy boolean, place integer, wave integer)
language plpgsql stable set search_path = '' as $$
declare
    f jsonb := p_campaign.filter;
    v_preview regproc := (select preview::regproc from private.campaign_kinds where kind = p_campaign.kind);
begin
    return query execute format($q$
        with meant as materialized (
            select c as charger, c.id, private.is_connected(c.id) as online,
                exists (select 1 from public.sessions s where s.charger_id = c.id and s.stopped_at is null) as charging,
                case when c.registration <> 'accepted' then 'not_accepted'
                     when exists (select 1 from public.campaign_targets g join public.campaigns o on o.id = g.campaign_id
                                  where g.charger_id = c.id and g.state in ('waiting', 'running') and o.id <> $2
                                    and o.state in ('running', 'paused')) then 'in_another_campaign' end as obstacle,
                %s($1, c) as seen
            from public.chargers c
            where c.cpo_id = $3
              and (not $4 ? 'station_ids' or c.station_id::text in (select jsonb_array_elements_text($4 -> 'station_ids')))
              and (not $4 ? 'charger_ids' or c.id in (select jsonb_array_elements_text($4 -> 'charger_ids')))
              and (not $4 ? 'tag' or c.tags @> array[lower($4 ->> 'tag')])
              and (not $4 ? 'vendor' or coalesce(c.vendor, '') ilike private.like_pattern($4 ->> 'vendor'))
              and (not $4 ? 'model' or coalesce(c.model, '') ilike private.like_pattern($4 ->> 'model'))
              and (not $4 ? 'firmware_version'
                   or coalesce(c.firmware_version, '') ilike private.like_pattern($4 ->> 'firmware_version'))
        ), judged as materialized (
            select m.*, coalesce(m.obstacle, m.seen ->> 'skip') as why from meant m
        ), placed as (
            select j.*, row_number() over (partition by j.why is null
                                           order by j.online desc, j.charging, md5($2::text || j.id))::integer as n,
                (count(*) filter (where j.why is null) over ())::integer as total
            from judged j
        )
        select p.id, p.why, coalesce(p.seen -> 'changes', '[]'), p.online, p.charging, p.n, case
            when p.why is not null then 0 when p.n <= $5 then 1
            else ($5 > 0)::integer + ceil((p.n - $5)::numeric / coalesce($6, greatest(1, ceil($7 * p.total))))::integer end
        from placed p
    $q$, v_preview) using p_campaign.parameters, p_campaign.id, p_campaign.cpo_id, f, p_campaign.canary_size,
        p_campaign.wave_size, p_campaign.wave_share;
end
$$;

-- As before. Who resumes after canaries that proved nothing, or after a budget that was used up, has been told: the next
-- wave follows. Who paused it by hand has not, and is told when the canaries have proven nothing.
create or replace function public.move_campaign(p_campaign_id uuid, p_state text) returns void
language plpgsql set search_path = '' as $$
declare
    campaign public.campaigns;
begin
    select * into campaign from public.campaigns where id = p_campaign_id for update;
    if campaign.state = p_state then
        return;
    elsif (campaign.state, p_state) not in (('running', 'paused'), ('paused', 'running'), ('running', 'aborted'),
                                            ('paused', 'aborted')) then
        raise exception using errcode = 'P0001', hint = 'campaign_state_conflict',
            message = format('A campaign that is %s cannot become %s.', campaign.state, p_state);
    end if;
    update public.campaigns set state = p_state, updated_at = now(),
        state_reason = case when p_state = 'running' then null else 'by_hand' end,
        -- A budget that was used up begins anew, and nobody's time ran while the campaign stood still.
        wave_began_at = case when p_state = 'running' then now() else wave_began_at end,
        wave_ended_at = case when p_state = 'running' and campaign.state_reason is distinct from 'by_hand' and not exists (
            select from public.campaign_targets g where g.campaign_id = campaign.id and g.wave = campaign.wave
              and g.state in ('waiting', 'running')) then coalesce(wave_ended_at, now()) else wave_ended_at end,
        forgiven = case when p_state <> 'running' then forgiven else (
            select count(*) from public.campaign_targets where campaign_id = campaign.id and state = 'failed') end
    where id = campaign.id;
    if p_state = 'aborted' then
        update public.campaign_targets set state = 'aborted', ended_at = now()
        where campaign_id = campaign.id and state = 'waiting';
        update public.commands set status = 'expired' where status = 'queued' and requested_by is null
            and starts_with(idempotency_key, 'campaign/' || campaign.id || '/') and charger_id in (
                select charger_id from public.campaign_targets where campaign_id = campaign.id and state = 'running');
    end if;
end
$$;

-- As before.
create or replace function private.begin_wave(p_campaign public.campaigns, p_files_url text) returns integer
language plpgsql set search_path = '' as $$
declare
    v_begin regproc := (select begin::regproc from private.campaign_kinds where kind = p_campaign.kind);
    target public.campaign_targets;
    known jsonb;
    moved integer := 0;
begin
    for target in
        select * from public.campaign_targets g
        where g.campaign_id = p_campaign.id and g.state = 'waiting' and g.wave = p_campaign.wave
          and private.may_begin(p_campaign, g.charger_id)
        order by g.position limit 200 for update
    loop
        begin
            execute format('select %s($1, $2, $3)', v_begin) into known using p_campaign, target.charger_id, p_files_url;
            update public.campaign_targets set state = 'running', begun_at = now(), reference = known
            where campaign_id = target.campaign_id and charger_id = target.charger_id;
        exception when others then
            update public.campaign_targets set state = 'failed', begun_at = now(), ended_at = now(), reason = left(sqlerrm, 300)
            where campaign_id = target.campaign_id and charger_id = target.charger_id;
        end;
        moved := moved + 1;
    end loop;
    return moved;
end
$$;

-- Canaries in the place of those that could not be reached: chargers of later waves, the last ones first, at which it may
-- begin now. Returns how many there are.
create function private.take_canaries(p_campaign public.campaigns) returns integer
language plpgsql set search_path = '' as $$
declare
    taken integer;
begin
    update public.campaign_targets t set wave = 1
    where t.campaign_id = p_campaign.id and t.state = 'waiting' and t.charger_id in (
        select g.charger_id from public.campaign_targets g
        where g.campaign_id = p_campaign.id and g.state = 'waiting' and g.wave > 1
          and private.may_begin(p_campaign, g.charger_id)
        order by g.wave desc, g.position desc limit p_campaign.canary_size);
    get diagnostics taken = row_count;
    update public.campaigns set updated_at = now(), wave_began_at = now(),
        wave_count = (select max(wave) from public.campaign_targets where campaign_id = p_campaign.id)
    where taken > 0 and id = p_campaign.id;
    return taken;
end
$$;

-- A wave that is through is followed by the next that has somebody, after the pause; the last one ends the campaign.
-- Canaries of which none did it are followed by others if all were out of reach; if one failed, or there are no others,
-- somebody must decide.
create or replace function private.turn_wave(p_campaign public.campaigns) returns void
language plpgsql set search_path = '' as $$
declare
    c public.campaigns := p_campaign;
    v_next integer := (select min(wave) from public.campaign_targets
                       where campaign_id = c.id and wave > c.wave and state = 'waiting');
begin
    if exists (select from public.campaign_targets
               where campaign_id = c.id and wave = c.wave and state in ('waiting', 'running')) then
        return;
    elsif v_next is null then
        update public.campaigns set updated_at = now(), state = 'finished', ended_at = now(),
            wave_ended_at = coalesce(wave_ended_at, now()) where id = c.id;
    elsif c.wave_ended_at is not null then
        update public.campaigns set updated_at = now(), wave = v_next, wave_began_at = now(), wave_ended_at = null
        where id = c.id and now() >= c.wave_ended_at + make_interval(secs => c.wave_pause_s);
    elsif c.wave > 1 or c.canary_size = 0 or exists (
        select from public.campaign_targets where campaign_id = c.id and wave = 1 and state = 'succeeded') then
        update public.campaigns set updated_at = now(), wave_ended_at = now() where id = c.id;
    elsif exists (select from public.campaign_targets where campaign_id = c.id and wave = 1 and state = 'failed')
        or private.take_canaries(c) = 0 then
        update public.campaigns set updated_at = now(), state = 'paused', state_reason = 'canary_unproven' where id = c.id;
    end if;
end
$$;

revoke execute on function private.may_begin(public.campaigns, text), private.take_canaries(public.campaigns) from public;
grant execute on function private.may_begin(public.campaigns, text), private.take_canaries(public.campaigns) to service_role;
