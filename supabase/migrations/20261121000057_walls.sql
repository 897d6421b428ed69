-- What the walk over all walls found (tests/walls).

-- What is the platform's for its staff to read is not for drivers, nor for claims that name neither CPO nor EMSV.
alter policy all_read on public.nodes using ((select private.sees_all()) or (select private.cpo_id()) is not null);
alter policy all_read on public.normalising_rules
    using ((select private.sees_all()) or (select private.cpo_id()) is not null);

-- As before, but that only the EMSV's people and the platform name the CPO whose log it is: claims without a CPO (a
-- driver's) could write into any.
create or replace function public.record_audit(p_event_id uuid, p_cpo_id uuid, p_action text, p_object_type text,
    p_object_id text, p_before jsonb, p_after jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
    actor record;
begin
    select * into actor from private.origin();
    insert into public.audit_log (event_id, cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, before,
        after, request_id, address)
    values (p_event_id, case when private.sees_all() or current_setting('role') <> 'authenticated' then p_cpo_id
                             else private.cpo_id() end,
        actor.id, actor.name, actor.role, p_action, p_object_type, p_object_id, p_before, p_after, actor.request_id,
        actor.address)
    on conflict (event_id) where event_id is not null do nothing;
end
$$;
