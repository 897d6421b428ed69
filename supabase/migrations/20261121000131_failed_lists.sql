-- What a charger holds after it could not take a list is not known (§5.15): what was believed before must not stand. A
-- change that failed left everything as it was here, so the same change went out and failed hour after hour, and a card
-- that was blocked meanwhile went on opening.

alter table public.local_list_orders drop constraint local_list_orders_reason_check,
    add constraint local_list_orders_reason_check check (reason in ('asked', 'version_mismatch', 'failed', 'automatic'));

-- A full list in the place of one that did not fit what the charger holds. One that would be longer than the charger takes
-- is kept as refused with the reason and not sent: the charger's answer to the first must not be lost over it.
create function private.mend_list(p_order public.local_list_orders, p_reason text) returns void
language plpgsql set search_path = '' as $$
declare
    v_why text;
begin
    perform private.order_list(p_order.charger_id, 'full', p_reason, p_order.requested_by, p_order.requested_by_name,
                               p_order.expires_in_s, null);
exception when raise_exception then
    get stacked diagnostics v_why = pg_exception_hint;
    insert into public.local_list_orders (cpo_id, charger_id, mode, reason, status, answer, entry_count, parts, requested_by,
        requested_by_name, expires_in_s, ended_at)
    values (p_order.cpo_id, p_order.charger_id, 'full', p_reason, 'rejected', v_why, 0, '[]', p_order.requested_by,
        p_order.requested_by_name, p_order.expires_in_s, now());
end
$$;

-- SendLocalList, whichever door asked. Of ours, the next part follows what was accepted; a version mismatch, and a change
-- that failed, are mended once with a full list (§5.15). Unless it certainly did nothing, it is not known what a charger
-- holds that did not accept.
create or replace function private.keep_local_list(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    o public.local_list_orders;
    word text := left(coalesce(p_command.response ->> 'status', p_command.error_code, p_command.status), 50);
    mending text;
begin
    insert into public.local_lists (charger_id, cpo_id) values (p_command.charger_id, p_command.cpo_id)
    on conflict (charger_id) do nothing;
    if p_command.status = 'accepted' then
        perform private.apply_list(p_command);
    elsif word not in ('NotSupported', 'NotImplemented', 'NotConnected', 'NotAccepted') then
        update public.local_lists set version = null where charger_id = p_command.charger_id;
    end if;
    select * into o from public.local_list_orders
    where charger_id = p_command.charger_id and command_id = p_command.id and status = 'sending' for update;
    if not found then
        return;
    elsif p_command.status = 'accepted' and o.parts_sent < jsonb_array_length(o.parts) then
        perform private.send_list_part(o.id);
        return;
    end if;
    update public.local_list_orders set answer = word, ended_at = p_command.answered_at, status = case p_command.status
        when 'accepted' then 'accepted' when 'timed_out' then 'unanswered' else 'rejected' end
    where id = o.id;
    mending := case when word = 'VersionMismatch' then 'version_mismatch'
                    when word = 'Failed' and o.mode = 'differential' then 'failed' end;
    if mending is not null and o.reason not in ('version_mismatch', 'failed') then
        perform private.mend_list(o, mending);
    end if;
end
$$;

-- How long a charger is left alone that refused a list, or did not answer: an hour since the last, twice as long for each
-- refusal in a row, at most a day; null: not at all.
create function private.list_rests_until(p_charger_id text) returns timestamptz
language sql stable set search_path = '' as $$
    select max(o.created_at) + interval '1 hour' * least(24, 2 ^ least(5, greatest(0, count(*) filter (where o.status = 'rejected') - 1)))
    from public.local_list_orders o
    where o.charger_id = p_charger_id and o.status in ('rejected', 'unanswered')
      and o.created_at > coalesce((select max(taken.created_at) from public.local_list_orders taken
                                   where taken.charger_id = p_charger_id and taken.status = 'accepted'), '-infinity')
$$;

-- As before, but who refuses again and again is asked less and less often.
create or replace function public.tend_local_lists() returns integer
language plpgsql set search_path = '' as $$
declare
    done integer;
    l record;
begin
    with ended as (
        update public.local_list_orders o set status = 'unanswered', answer = m.status, ended_at = now()
        from public.commands m where o.status = 'sending' and m.id = o.command_id and m.status in ('expired', 'timed_out')
        returning o.charger_id, m.status
    ), unknown as (
        update public.local_lists set version = null
        where charger_id in (select charger_id from ended where ended.status = 'timed_out')
    )
    select count(*) into done from ended;
    for l in
        select w.charger_id, case when w.version is null then 'full' else 'differential' end as mode
        from public.local_lists w join public.cpos c on c.id = w.cpo_id
        where coalesce(w.sync, c.local_list_sync) and (w.version >= 0 or w.version is null and w.accepted_at is not null)
          and private.is_connected(w.charger_id)
          and not exists (select 1 from public.local_list_orders o where o.charger_id = w.charger_id and o.status = 'sending')
          and private.list_rests_until(w.charger_id) > now() is not true
          and (w.version is null
               or exists (select 1 from private.list_differences(w.charger_id, w.cpo_id, (private.list_limits(w.charger_id)).most)))
        for update of w skip locked
    loop
        begin
            perform private.order_list(l.charger_id, l.mode, 'automatic', null, null, 900, null);
            done := done + 1;
        exception when raise_exception then  -- too long: the screen says so
            continue;
        end;
    end loop;
    return done;
end
$$;

revoke execute on function private.mend_list(public.local_list_orders, text), private.list_rests_until(text) from public;
grant execute on function private.mend_list(public.local_list_orders, text), private.list_rests_until(text) to service_role;
