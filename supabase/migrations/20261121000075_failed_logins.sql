-- Failed logins, on their way to the audit log: counted here for an hour per account, then told in one row. Every name that
-- nobody has is one account together, and no such name is kept: whoever mistypes may have typed a password, or somebody
-- else's address, and an append-only log cannot forget. So whatever comes, an hour adds two rows per account at most.
create table public.failed_logins (
    user_id uuid references public.users (id) on delete cascade,  -- null: nobody's name
    since timestamptz not null,
    last_at timestamptz not null,
    failures jsonb not null,     -- how many, by what was tried: {"password": 3}
    addresses text[] not null,   -- the first ten that it came from; of drivers none
    lock_outs integer not null,  -- after how many of them the next had to wait
    lock_out_told boolean not null default false,
    unique nulls not distinct (user_id)
);
alter table public.failed_logins enable row level security;  -- no policies: the platform alone
grant select, insert, update, delete on public.failed_logins to service_role;

insert into private.driver_data (place, relation, belongs, shown, erased) values
(175, 'failed_logins', 'r.user_id = $3', 'r.since, r.last_at, r.failures', 'delete');

-- Counts one. It does the same work whether the name is anybody's or not; the log's chain is not touched.
create function public.note_failed_login(p_email text, p_proof text, p_address text, p_keys text[], p_now timestamptz)
    returns void
language plpgsql set search_path = '' as $$
declare
    person public.users;
    closed boolean;
begin
    select * into person from public.users where email = p_email;
    closed := exists (select from public.login_attempts where key = any (p_keys) and blocked_until > p_now);
    insert into public.failed_logins as f (user_id, since, last_at, failures, addresses, lock_outs)
    values (person.id, p_now, p_now, jsonb_build_object(p_proof, 1),
        case when p_address is null or person.role = 'driver' then '{}' else array[left(p_address, 64)] end, closed::integer)
    on conflict (user_id) do update set last_at = p_now,
        failures = f.failures || jsonb_build_object(p_proof, coalesce((f.failures ->> p_proof)::integer, 0) + 1),
        addresses = case when f.addresses @> excluded.addresses or cardinality(f.addresses) >= 10 then f.addresses
            else f.addresses || excluded.addresses end,
        lock_outs = f.lock_outs + excluded.lock_outs;
end
$$;

-- Tells the audit log: a lock-out at once, the first of an account's window; the failures when the window of p_window_s
-- seconds is over. In the chain of the person's CPO, or the platform's. Returns how many rows it wrote.
create function public.tell_failed_logins(p_window_s integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare
    f record;
    written integer := 0;
begin
    for f in select l.*, u.cpo_id, l.since <= now() - make_interval(secs => p_window_s) as over,
                 case when l.user_id is null then 'unknown' when u.role = 'driver' then 'driver' else u.name end as account
             from public.failed_logins l left join public.users u on u.id = l.user_id
             where l.since <= now() - make_interval(secs => p_window_s) or (l.lock_outs > 0 and not l.lock_out_told)
             order by l.since limit 500 for update of l skip locked
    loop
        insert into public.audit_log (cpo_id, actor_role, action, object_type, after, address)
        select f.cpo_id, 'stranger', 'login.' || verb, 'login', jsonb_strip_nulls(jsonb_build_object('account', f.account,
                'user_id', f.user_id, 'failures', f.failures, 'addresses', f.addresses, 'first_at', f.since,
                'last_at', f.last_at)), f.addresses[1]
        from unnest(array[case when f.lock_outs > 0 and not f.lock_out_told then 'locked_out' end,
            case when f.over then 'failed' end]) as verb where verb is not null;
        written := written + (f.lock_outs > 0 and not f.lock_out_told)::integer + f.over::integer;
        if f.over then
            delete from public.failed_logins where user_id is not distinct from f.user_id;
        else
            update public.failed_logins set lock_out_told = true where user_id is not distinct from f.user_id;
        end if;
    end loop;
    return written;
end
$$;

revoke execute on function public.note_failed_login(text, text, text, text[], timestamptz),
    public.tell_failed_logins(integer) from public;
grant execute on function public.note_failed_login(text, text, text, text[], timestamptz),
    public.tell_failed_logins(integer) to service_role;
