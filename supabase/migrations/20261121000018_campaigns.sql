-- Campaigns: one change over many chargers, in waves, with a look before, a budget of failures, and a result for each.
-- All that is known of a campaign stands in rows, and one step is one transaction: a worker that is killed has done a
-- step or not, and the next one goes on.

-- Words that people give chargers, to choose them by.
alter table public.chargers add column tags text[] not null default '{}';
create index chargers_tags on public.chargers using gin (tags);
grant select (tags) on public.chargers to authenticated;

-- What a campaign can do. `preview` (parameters jsonb, charger public.chargers) returns {skip: reason | null, changes:
-- [...]}; `begin` (campaign public.campaigns, charger_id text, files_url text) begins it at one charger and returns what
-- it is known by (jsonb), the same when repeated; `look` (campaign, target public.campaign_targets) returns {state:
-- succeeded | failed | null, reason}. Another kind is another row.
create table private.campaign_kinds (
    kind text primary key,
    preview regprocedure not null,
    begin regprocedure not null,
    look regprocedure not null
);
grant select on private.campaign_kinds to service_role;

create table public.campaigns (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid not null references public.cpos (id),
    name text not null check (length(name) between 1 and 120),
    kind text not null,
    parameters jsonb not null default '{}',
    filter jsonb not null default '{}',       -- {station_ids, vendor, model, firmware_version, tag, charger_ids}
    canary_size integer not null default 1 check (canary_size between 0 and 1000),
    wave_size integer check (wave_size between 1 and 100000),
    wave_share numeric(5, 4) check (wave_share > 0 and wave_share <= 1),
    wave_pause_s integer not null default 0 check (wave_pause_s between 0 and 2592000),
    max_failures integer check (max_failures >= 0),                     -- more of them pause the campaign
    max_failed_share numeric(5, 4) check (max_failed_share between 0 and 1),  -- of all chargers it touches
    only_idle boolean not null default true,  -- begin where no session runs
    timeout_s integer not null default 3600 check (timeout_s between 60 and 2592000),  -- per charger
    state text not null default 'draft' check (state in ('draft', 'running', 'paused', 'aborted', 'finished')),
    state_reason text,
    wave integer not null default 0,
    wave_count integer not null default 0,
    wave_began_at timestamptz,
    wave_ended_at timestamptz,
    forgiven integer not null default 0,      -- failures before the last resumption
    created_by uuid,
    created_by_name text,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    ended_at timestamptz,
    updated_at timestamptz not null default now(),
    check ((wave_size is null) <> (wave_share is null))
);
create index campaigns_cpo on public.campaigns (cpo_id, created_at desc, id desc);
create index campaigns_newest on public.campaigns (created_at desc, id desc);
create index campaigns_alive on public.campaigns (id) where state in ('running', 'paused', 'aborted') and ended_at is null;

create table public.campaign_targets (
    campaign_id uuid not null references public.campaigns (id) on delete cascade,
    charger_id text not null references public.chargers (id) on delete cascade,
    cpo_id uuid not null references public.cpos (id),
    wave integer not null,                    -- 0: skipped from the beginning
    position integer not null,
    state text not null check (state in ('waiting', 'running', 'succeeded', 'failed', 'skipped', 'aborted')),
    reason text,
    changes jsonb not null default '[]',
    reference jsonb,
    begun_at timestamptz,
    ended_at timestamptz,
    primary key (campaign_id, charger_id)
) with (fillfactor = 80);
create index campaign_targets_charger on public.campaign_targets (charger_id) where state in ('waiting', 'running');
create index campaign_targets_open on public.campaign_targets (campaign_id, wave, position) where state in ('waiting', 'running');
create index campaign_targets_cpo on public.campaign_targets (cpo_id);

call private.protect('public.campaigns', array['cpo_admin']);
call private.protect('public.campaign_targets', array[]::text[]);
grant select, insert, update, delete on public.campaigns, public.campaign_targets to service_role;
grant select, insert, update, delete on public.campaigns to authenticated;
grant select on public.campaign_targets to authenticated;
-- People write drafts; what runs is moved by the functions below alone.
create policy drafts_inserted on public.campaigns as restrictive for insert to authenticated with check (state = 'draft');
create policy drafts_updated on public.campaigns as restrictive for update to authenticated
    using (state = 'draft') with check (state = 'draft');
create policy drafts_deleted on public.campaigns as restrictive for delete to authenticated using (state = 'draft');

create view public.campaign_details with (security_invoker = true) as
select c.*, coalesce(t.waiting, 0) as waiting, coalesce(t.running, 0) as running, coalesce(t.succeeded, 0) as succeeded,
    coalesce(t.failed, 0) as failed, coalesce(t.skipped, 0) as skipped, coalesce(t.aborted, 0) as aborted
from public.campaigns c left join lateral (
    select (count(*) filter (where state = 'waiting'))::integer as waiting,
        (count(*) filter (where state = 'running'))::integer as running,
        (count(*) filter (where state = 'succeeded'))::integer as succeeded,
        (count(*) filter (where state = 'failed'))::integer as failed,
        (count(*) filter (where state = 'skipped'))::integer as skipped,
        (count(*) filter (where state = 'aborted'))::integer as aborted
    from public.campaign_targets g where g.campaign_id = c.id) t on true;
create view public.campaign_target_details with (security_invoker = true) as
select g.campaign_id, g.charger_id, g.cpo_id, p.name as station_name, h.vendor, h.model, h.firmware_version, g.wave,
    g.position, g.state, g.reason, g.changes, g.begun_at, g.ended_at
from public.campaign_targets g join public.chargers h on h.id = g.charger_id left join public.stations p on p.id = h.station_id;
grant select on public.campaign_details, public.campaign_target_details to authenticated, service_role;

-- ---------------------------------------------------------------- who is meant

-- The chargers of a campaign's filter, each with its wave (0: skipped, and why) and what would change at it. Canaries
-- are taken among those that are connected.
create function private.campaign_candidates(p_campaign public.campaigns)
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
            select j.*, row_number() over (partition by j.why is null order by j.online desc, md5($2::text || j.id))::integer as n,
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

-- The dry run: {touched, skipped, waves, offline, busy, items: [...]}; `items` behind (p_after_wave, p_after_place), those
-- that are touched first.
create function public.preview_campaign(p_campaign_id uuid, p_after_wave integer, p_after_place integer, p_limit integer)
returns json
language sql stable set search_path = '' as $$
    with found as materialized (
        select x.*, case when x.wave = 0 then 2147483647 else x.wave end as turn
        from public.campaigns c, private.campaign_candidates(c) x where c.id = p_campaign_id
    )
    select json_build_object(
        'touched', (select count(*) from found where wave > 0), 'skipped', (select count(*) from found where wave = 0),
        'waves', (select coalesce(max(wave), 0) from found),
        'offline', (select count(*) from found where wave > 0 and not connected),
        'busy', (select count(*) from found where wave > 0 and busy),
        'items', (select coalesce(json_agg(i), '[]') from (
            select f.charger_id, p.name as station_name, h.vendor, h.model, h.firmware_version, f.wave, f.skip as reason,
                f.changes, f.connected, f.busy, f.turn, f.place
            from found f join public.chargers h on h.id = f.charger_id left join public.stations p on p.id = h.station_id
            where p_after_wave is null or (f.turn, f.place) > (p_after_wave, p_after_place)
            order by f.turn, f.place limit p_limit) i))
$$;

-- ---------------------------------------------------------------- how it moves

-- draft -> running: the chargers are fixed now. Repeated, it changes nothing. p_expected: how many the person who starts
-- it believes it will touch. Errors: campaign_state_conflict, campaign_empty_conflict, campaign_changed_conflict.
create function public.start_campaign(p_campaign_id uuid, p_expected integer) returns void
language plpgsql set search_path = '' as $$
declare
    campaign public.campaigns;
    touched integer;
begin
    select * into campaign from public.campaigns where id = p_campaign_id for update;
    if campaign.state = 'running' then
        return;
    elsif campaign.state <> 'draft' then
        raise exception using errcode = 'P0001', hint = 'campaign_state_conflict', message = 'The campaign has been started before.';
    end if;
    insert into public.campaign_targets (campaign_id, charger_id, cpo_id, wave, position, state, reason, changes, ended_at)
    select campaign.id, x.charger_id, campaign.cpo_id, x.wave, x.place,
        case when x.wave = 0 then 'skipped' else 'waiting' end, x.skip, x.changes, case when x.wave = 0 then now() end
    from private.campaign_candidates(campaign) x;
    update public.campaigns set state = 'running', started_at = now(), updated_at = now(), wave = 1, wave_began_at = now(),
        wave_count = (select coalesce(max(g.wave), 0) from public.campaign_targets g where g.campaign_id = campaign.id)
    where id = campaign.id returning * into campaign;
    select count(*) into touched from public.campaign_targets where campaign_id = campaign.id and wave > 0;
    if touched = 0 then
        raise exception using errcode = 'P0001', hint = 'campaign_empty_conflict', message = 'There is no charger to touch.';
    elsif touched <> p_expected then
        raise exception using errcode = 'P0001', hint = 'campaign_changed_conflict', message = format(
            'It would touch %s chargers, not %s; look at the dry run again.', touched, p_expected);
    end if;
end
$$;

-- running <-> paused, and the end by hand: what waits is not begun any more, what has begun tells its result still.
-- Errors: campaign_state_conflict.
create function public.move_campaign(p_campaign_id uuid, p_state text) returns void
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

-- One step of every campaign that lives. Returns how many chargers it moved. p_files_url: where chargers fetch files.
create function public.advance_campaigns(p_files_url text) returns integer
language plpgsql set search_path = '' as $$
declare
    campaign public.campaigns;
    moved integer := 0;
begin
    for campaign in select * from public.campaigns where state in ('running', 'paused', 'aborted') and ended_at is null
                    order by id for update skip locked
    loop
        moved := moved + private.look_at_campaign(campaign);
        if campaign.state = 'running' and not private.campaign_over_budget(campaign) then
            moved := moved + private.begin_wave(campaign, p_files_url);
            perform private.turn_wave(campaign);
        elsif campaign.state = 'aborted' and not exists (
            select 1 from public.campaign_targets where campaign_id = campaign.id and state = 'running') then
            update public.campaigns set ended_at = now(), updated_at = now() where id = campaign.id;
        end if;
    end loop;
    return moved;
end
$$;

-- What became of those that have begun, and of those whose turn has passed without a chance.
create function private.look_at_campaign(p_campaign public.campaigns) returns integer
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
        end if;
    end loop;
    update public.campaign_targets g set state = 'skipped', ended_at = now(),
        reason = case when private.is_connected(g.charger_id) then 'stayed_busy' else 'stayed_offline' end
    where g.campaign_id = p_campaign.id and g.state = 'waiting' and g.wave = p_campaign.wave and p_campaign.state = 'running'
      and p_campaign.wave_began_at < now() - make_interval(secs => p_campaign.timeout_s);
    return moved;
end
$$;

-- More failures than were granted pause the campaign, and say so.
create function private.campaign_over_budget(p_campaign public.campaigns) returns boolean
language plpgsql set search_path = '' as $$
declare
    failed integer;
    touched integer;
begin
    select count(*) filter (where state = 'failed') - p_campaign.forgiven, count(*) filter (where wave > 0)
    into failed, touched from public.campaign_targets where campaign_id = p_campaign.id;
    if failed > p_campaign.max_failures or failed > p_campaign.max_failed_share * touched then
        update public.campaigns set state = 'paused', updated_at = now(),
            state_reason = format('budget: %s of %s failed', failed, touched)
        where id = p_campaign.id;
        return true;
    end if;
    return false;
end
$$;

-- Begins at those of the wave that can be reached and, if wished, are idle. One that cannot begin has failed.
create function private.begin_wave(p_campaign public.campaigns, p_files_url text) returns integer
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
          and private.is_connected(g.charger_id)
          and not (p_campaign.only_idle and exists (
              select 1 from public.sessions s where s.charger_id = g.charger_id and s.stopped_at is null))
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

-- A wave that is through is followed by the next, after the pause; the last one ends the campaign.
create function private.turn_wave(p_campaign public.campaigns) returns void
language sql set search_path = '' as $$
    update public.campaigns c set updated_at = now(),
        state = case when c.wave >= c.wave_count then 'finished' else c.state end,
        ended_at = case when c.wave >= c.wave_count then now() end,
        wave_ended_at = case when c.wave >= c.wave_count or c.wave_ended_at is null then coalesce(c.wave_ended_at, now()) end,
        wave_began_at = case when c.wave < c.wave_count and c.wave_ended_at is not null then now() else c.wave_began_at end,
        wave = case when c.wave < c.wave_count and c.wave_ended_at is not null then c.wave + 1 else c.wave end
    where c.id = p_campaign.id and not exists (
            select 1 from public.campaign_targets g
            where g.campaign_id = c.id and g.wave = c.wave and g.state in ('waiting', 'running'))
      and (c.wave_ended_at is null or c.wave >= c.wave_count
           or now() >= c.wave_ended_at + make_interval(secs => c.wave_pause_s))
$$;

revoke execute on function private.campaign_candidates(public.campaigns), public.preview_campaign(uuid, integer, integer, integer),
    public.start_campaign(uuid, integer), public.move_campaign(uuid, text), public.advance_campaigns(text),
    private.look_at_campaign(public.campaigns), private.campaign_over_budget(public.campaigns),
    private.begin_wave(public.campaigns, text), private.turn_wave(public.campaigns) from public;
grant execute on function private.campaign_candidates(public.campaigns), public.preview_campaign(uuid, integer, integer, integer),
    public.start_campaign(uuid, integer), public.move_campaign(uuid, text), public.advance_campaigns(text),
    private.look_at_campaign(public.campaigns), private.campaign_over_budget(public.campaigns),
    private.begin_wave(public.campaigns, text), private.turn_wave(public.campaigns) to service_role;
