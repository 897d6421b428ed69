-- Logins stand in the audit log, too, in the transaction that opens or ends them; and only administrators read the log.

-- In the name of whose login it is; an end that somebody else brought about, in theirs. Drivers have no name here.
create function private.audit_login() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    person public.users;
    actor record;
    driver boolean;
begin
    select * into person from public.users where id = new.user_id;
    driver := person.role = 'driver';
    select person.id as id, person.role as role, case when driver then 'driver' else person.name end as name,
        case when not driver then new.address end as address, null::text as request_id into actor;
    if tg_op = 'UPDATE' and private.claims() ? 'origin' then
        select * into actor from private.origin();
    end if;
    insert into public.audit_log (cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, after, request_id,
        address)
    values (person.cpo_id, actor.id, actor.name, actor.role,
        'login.' || case tg_op when 'INSERT' then 'create' else coalesce(new.end_reason, 'logout') end, 'login', new.id::text,
        jsonb_build_object('user_id', new.user_id, 'method', new.method, 'second_factor', new.second_factor),
        actor.request_id, actor.address);
    return null;
end
$$;
revoke execute on function private.audit_login() from public;
create trigger audited after insert on public.login_sessions for each row execute function private.audit_login();
create trigger audited_end after update of ended_at on public.login_sessions for each row
    when (old.ended_at is null and new.ended_at is not null) execute function private.audit_login();

-- As the permission `audit:read` has it.
alter policy tenant_reads on public.audit_log
    using (((select private.sees_all()) and (select private.role()) in ('emsv_admin', 'noc_analyst'))
           or (cpo_id = (select private.cpo_id()) and (select private.role()) = 'cpo_admin'));
