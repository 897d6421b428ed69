-- What a CPO keeps of its revenue, and how it is settled, from one day to another (days in Jakarta's time; the end is the
-- first day that it does not hold any more, null: open). Where none is set, 90 to 10 holds.
create table public.revenue_shares (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid not null references public.cpos (id),
    valid_from date not null,
    valid_until date check (valid_until > valid_from),
    cpo_percent numeric(5, 2) not null check (cpo_percent between 0 and 100),
    session_minimum_fee numeric(15, 2) not null default 0 check (session_minimum_fee >= 0),
    month_minimum_fee numeric(15, 2) not null default 0 check (month_minimum_fee >= 0),
    settlement_cycle text not null check (settlement_cycle in ('daily', 'weekly', 'monthly')),
    note text,
    created_by_name text not null,
    created_at timestamptz not null default now(),
    unique (cpo_id, valid_from)
);
comment on column public.revenue_shares.session_minimum_fee is 'Least the EMSV gets of a session (IDR)';
comment on column public.revenue_shares.month_minimum_fee is 'Least the EMSV gets of a month (IDR)';
alter table public.revenue_shares enable row level security;
create policy tenant_reads on public.revenue_shares for select to authenticated using (
    (select private.sees_all())
    or (cpo_id = (select private.cpo_id()) and (select private.role()) in ('cpo_admin', 'cpo_finance')));
grant select, insert, update, delete on public.revenue_shares to service_role;
grant select on public.revenue_shares to authenticated;

create function private.settlement_day() returns date
language sql stable set search_path = '' as $$ select (now() at time zone 'Asia/Jakarta')::date $$;

-- Sets what holds from a day on; one that is open until then ends there. The past is settled and stays; so nothing begins
-- before today. The same id once. p_share: {id, cpo_id, valid_from, valid_until, cpo_percent, session_minimum_fee,
-- month_minimum_fee, settlement_cycle, note, created_by_name}.
-- Errors: cpo_not_found, revenue_share_past, revenue_share_conflict (it would overlap).
create function public.set_revenue_share(p_share jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    wanted constant public.revenue_shares := jsonb_populate_record(null::public.revenue_shares, p_share);
begin
    perform from public.cpos where id = wanted.cpo_id for update;  -- one at a time, so that no two overlap
    if not found then
        raise exception using errcode = 'P0001', hint = 'cpo_not_found', message = 'There is no such CPO.';
    end if;
    perform from public.revenue_shares where id = wanted.id;
    if found then
        return;
    end if;
    if wanted.valid_from < private.settlement_day() then
        raise exception using errcode = 'P0001', hint = 'revenue_share_past', message = 'It cannot begin before today.';
    end if;
    update public.revenue_shares set valid_until = wanted.valid_from
    where cpo_id = wanted.cpo_id and valid_until is null and valid_from < wanted.valid_from;
    if exists (select from public.revenue_shares s where s.cpo_id = wanted.cpo_id
               and s.valid_from < coalesce(wanted.valid_until, 'infinity')
               and coalesce(s.valid_until, 'infinity') > wanted.valid_from) then
        raise exception using errcode = 'P0001', hint = 'revenue_share_conflict',
            message = 'Another revenue share is set for a part of this time; withdraw it first.';
    end if;
    insert into public.revenue_shares (id, cpo_id, valid_from, valid_until, cpo_percent, session_minimum_fee,
        month_minimum_fee, settlement_cycle, note, created_by_name)
    values (wanted.id, wanted.cpo_id, wanted.valid_from, wanted.valid_until, wanted.cpo_percent,
        coalesce(wanted.session_minimum_fee, 0), coalesce(wanted.month_minimum_fee, 0), wanted.settlement_cycle, wanted.note,
        wanted.created_by_name);
end
$$;

-- Takes back one that has not begun; the one that it had cut off is open again.
-- Errors: revenue_share_not_found, revenue_share_past.
create function public.withdraw_revenue_share(p_cpo_id uuid, p_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
    share public.revenue_shares;
begin
    perform from public.cpos where id = p_cpo_id for update;
    select * into share from public.revenue_shares where id = p_id and cpo_id = p_cpo_id;
    if not found then
        raise exception using errcode = 'P0001', hint = 'revenue_share_not_found', message = 'There is no such revenue share.';
    end if;
    if share.valid_from <= private.settlement_day() then
        raise exception using errcode = 'P0001', hint = 'revenue_share_past', message = 'It holds already.';
    end if;
    delete from public.revenue_shares where id = p_id;
    update public.revenue_shares set valid_until = share.valid_until
    where cpo_id = p_cpo_id and valid_until = share.valid_from;
end
$$;

revoke execute on function private.settlement_day(), public.set_revenue_share(jsonb),
    public.withdraw_revenue_share(uuid, uuid) from public;
grant execute on function private.settlement_day(), public.set_revenue_share(jsonb),
    public.withdraw_revenue_share(uuid, uuid) to service_role;
