-- A charger that gets another CPO: what it is and holds goes with it, what the former CPO asked of it ends there, and what
-- happened stays with the former CPO. Whoever makes another table of charger_id and cpo_id decides here what becomes of
-- its rows (tests/services/test_handed_over.py).

create function private.hand_over_charger(p_charger_id text, p_cpo_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
    -- What it is, and holds.
    update public.connectors set cpo_id = p_cpo_id where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.connections set cpo_id = p_cpo_id where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.charger_keys set cpo_id = p_cpo_id where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.certificates set cpo_id = p_cpo_id where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.charger_configuration set cpo_id = p_cpo_id
    where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.configuration_reports set cpo_id = p_cpo_id
    where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.charger_quirks set cpo_id = p_cpo_id where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.gate_refusals set cpo_id = p_cpo_id where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.alarms set cpo_id = p_cpo_id
    where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id and closed_at is null;
    update public.held_profiles set cpo_id = p_cpo_id, template_id = null
    where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id and removed_at is null;
    -- The charger still holds the list, but whose tokens stand in it is the former CPO's business: a list of the new one
    -- must be sent as a whole.
    delete from public.local_list_entries where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.local_lists set cpo_id = p_cpo_id, version = null, sync = null
    where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    -- What the former CPO wants of it.
    delete from public.charger_templates where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id;
    update public.campaign_targets set state = 'skipped', reason = 'transferred', ended_at = now()
    where charger_id = p_charger_id and cpo_id is distinct from p_cpo_id and state in ('waiting', 'running');
    perform private.end_orders(p_charger_id, p_cpo_id);
end
$$;

-- What another CPO has asked of a charger ends: nothing more is sent, and no late answer, boot, session or file of the
-- charger becomes that CPO's.
create function private.end_orders(p_charger_id text, p_cpo_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
    update public.commands set payload = private.shown_payload(action, payload), error_code = 'Transferred',
        error_description = 'The charger belongs to another CPO now.',
        status = case status when 'queued' then 'expired' else 'timed_out' end,
        answered_at = case status when 'sent' then now() end
    where charger_id = p_charger_id and cpo_id is not null and cpo_id is distinct from p_cpo_id
      and status in ('queued', 'sent');
    update public.commands set effect = 'no_effect'
    where charger_id = p_charger_id and cpo_id is not null and cpo_id is distinct from p_cpo_id
      and (effect = 'pending' or effect = 'none' and status = 'timed_out' and sent_at > now() - interval '24 hours');
    update public.reservations set status = 'cancelled', reason = 'transferred', ended_at = now()
    where charger_id = p_charger_id and cpo_id is not null and cpo_id is distinct from p_cpo_id
      and status in ('requested', 'active');
    update public.local_list_orders set status = 'rejected', answer = 'transferred', ended_at = now()
    where charger_id = p_charger_id and cpo_id is not null and cpo_id is distinct from p_cpo_id and status = 'sending';
    update public.firmware_jobs set status = 'expired', error = 'transferred', updated_at = now(),
        effect = case when effect in ('pending', 'no_effect') then 'none' else effect end
    where charger_id = p_charger_id and cpo_id is not null and cpo_id is distinct from p_cpo_id
      and status in ('queued', 'accepted', 'downloading', 'downloaded', 'installing', 'failed', 'timed_out');
    update public.log_jobs set status = 'expired', error = 'transferred', updated_at = now(), token_hash = null
    where charger_id = p_charger_id and cpo_id is not null and cpo_id is distinct from p_cpo_id
      and received_at is null and status not in ('rejected', 'expired', 'replaced');
end
$$;

-- Whichever door gives it away. Runs as its owner: nobody may write what follows by hand.
create function private.charger_handed_over() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform private.hand_over_charger(new.id, new.cpo_id);
    return null;
end
$$;
create trigger handed_over after update of cpo_id on public.chargers for each row
    when (new.cpo_id is distinct from old.cpo_id) execute function private.charger_handed_over();

-- As before; connectors, socket and all the rest follow by the trigger. The former CPO's tags are its own words.
create or replace function public.approve_charger(p_charger_id text, p_station_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
    place public.stations;
    machine public.chargers;
begin
    select * into place from public.stations where id = p_station_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such station.', hint = 'station_not_found';
    end if;
    select * into machine from public.chargers where id = p_charger_id for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such charger.', hint = 'charger_not_found';
    end if;
    if machine.registration = 'accepted' and machine.station_id is distinct from p_station_id then
        raise exception using errcode = 'P0001', hint = 'charger_approval_conflict',
            message = 'This charger was approved for another station already.';
    end if;
    update public.chargers set registration = 'accepted', station_id = place.id, cpo_id = place.cpo_id, updated_at = now(),
        tags = case when cpo_id is null or cpo_id = place.cpo_id then tags else '{}' end
    where id = p_charger_id;
end
$$;

-- As before. Nothing is looked at where the charger is no more the CPO's; one whose registration was taken back is waited
-- for, and then left out.
create or replace function private.look_at_campaign(p_campaign public.campaigns) returns integer
language plpgsql set search_path = '' as $$
declare
    v_look regproc := (select look::regproc from private.campaign_kinds where kind = p_campaign.kind);
    r record;
    target public.campaign_targets;
    seen jsonb;
    moved integer := 0;
begin
    update public.campaign_targets g set state = 'skipped', reason = 'transferred', ended_at = now()
    from public.chargers c
    where g.campaign_id = p_campaign.id and g.state in ('waiting', 'running') and c.id = g.charger_id
      and c.cpo_id is distinct from p_campaign.cpo_id;
    for r in select g as target, c.registration = 'accepted' as accepted
             from public.campaign_targets g join public.chargers c on c.id = g.charger_id
             where g.campaign_id = p_campaign.id and g.state = 'running' order by g.position for update of g
    loop
        target := r.target;
        seen := '{}';
        if r.accepted then
            execute format('select %s($1, $2)', v_look) into seen using p_campaign, target;
        end if;
        if seen ->> 'state' is null and target.begun_at < now() - make_interval(secs => p_campaign.timeout_s) then
            seen := case when r.accepted then '{"state": "failed", "reason": "timed_out"}'
                         else '{"state": "skipped", "reason": "not_accepted"}' end;
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
        reason = case when c.registration <> 'accepted' then 'not_accepted'
                      when private.is_connected(g.charger_id) then 'stayed_busy' else 'stayed_offline' end
    from public.chargers c
    where g.campaign_id = p_campaign.id and g.state = 'waiting' and g.wave = p_campaign.wave and p_campaign.state = 'running'
      and p_campaign.wave_began_at < now() - make_interval(secs => p_campaign.timeout_s) and c.id = g.charger_id;
    return moved;
end
$$;

-- As before, but that results and held sessions stay to be seen by the CPO that had the charger.
create or replace view public.campaign_target_details with (security_invoker = true) as
select g.campaign_id, g.charger_id, g.cpo_id, p.name as station_name, h.vendor, h.model, h.firmware_version, g.wave,
    g.position, g.state, g.reason, g.changes, g.begun_at, g.ended_at
from public.campaign_targets g left join public.chargers h on h.id = g.charger_id
left join public.stations p on p.id = h.station_id;
create or replace view public.session_review_details with (security_invoker = true) as
select d.*, ' ' || array_to_string(d.review_reasons, ' ') || ' ' as reason_words, c.rated_power_w,
    v.held_at, v.evidence, v.proposal, v.decision, v.decided_at, v.decided_by_name, v.note, v.previous
from public.session_reviews v
join public.session_details d on d.id = v.session_id
left join public.chargers c on c.id = d.charger_id;

revoke execute on function private.hand_over_charger(text, uuid), private.end_orders(text, uuid),
    private.charger_handed_over() from public;
grant execute on function private.hand_over_charger(text, uuid), private.end_orders(text, uuid) to service_role;

-- Those that were given away before.
select private.hand_over_charger(c.id, c.cpo_id) from public.chargers c where c.cpo_id is not null and (
    exists (select from public.certificates x where x.charger_id = c.id and x.cpo_id is distinct from c.cpo_id)
    or exists (select from public.charger_keys x where x.charger_id = c.id and x.cpo_id is distinct from c.cpo_id)
    or exists (select from public.charger_templates x where x.charger_id = c.id and x.cpo_id is distinct from c.cpo_id)
    or exists (select from public.charger_configuration x where x.charger_id = c.id and x.cpo_id is distinct from c.cpo_id)
    or exists (select from public.local_lists x where x.charger_id = c.id and x.cpo_id is distinct from c.cpo_id)
    or exists (select from public.commands x where x.charger_id = c.id and x.cpo_id <> c.cpo_id
               and x.status in ('queued', 'sent')));
