-- The clock's part: orders whose command ended without an answer, and lists that are kept in step unasked, where that is
-- switched on. One that was taken once, and of which it is not known any more what it holds, is sent anew as a whole: who
-- was blocked meanwhile may stand in it. A charger that refused, or did not answer, is left alone for an hour. Returns how
-- many orders were ended or made.
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
          and not exists (select 1 from public.local_list_orders o where o.charger_id = w.charger_id and (o.status = 'sending'
              or o.status in ('rejected', 'unanswered') and o.created_at > now() - interval '1 hour'))
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
