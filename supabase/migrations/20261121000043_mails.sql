-- Mails to people. Recipient and content are sealed with a key made from UNIEV_SECRET_KEY, because codes and links
-- are among them, and are wiped as soon as the mail has left or was given up.
create table public.mails (
    id uuid primary key default gen_random_uuid(),
    template text not null,
    language text not null check (language in ('id', 'en')),
    content_sealed text,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'failed')),
    attempts integer not null default 0,
    due_at timestamptz not null default clock_timestamp(),
    reason text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check ((state = 'waiting') = (content_sealed is not null)),
    check ((state = 'waiting') = (ended_at is null))
);
comment on column public.mails.reason is 'Why the last attempt failed, in words.';
create index mails_due on public.mails (due_at) where state = 'waiting';
alter table public.mails enable row level security;  -- no policy: the platform alone
grant select, insert, update, delete on public.mails to service_role;

-- For functions that change something and tell of it in the same transaction: {id, template, language, content_sealed}, made by
-- the service of mails. The same id is one mail.
create function private.queue_mail(p_mail jsonb) returns void
language sql set search_path = '' as $$
    insert into public.mails (id, template, language, content_sealed)
    select m.id, m.template, m.language, m.content_sealed
    from jsonb_to_record(p_mail) as m(id uuid, template text, language text, content_sealed text) where m.id is not null
    on conflict (id) do nothing
$$;

-- Mails that are due, each claimed for some seconds: one that was neither sent nor settled by then is due again.
create function public.claim_mails(p_limit integer, p_lease_s integer) returns json
language sql set search_path = '' as $$
    with due as (
        select id from public.mails where state = 'waiting' and due_at <= clock_timestamp()
        order by due_at limit p_limit for update skip locked
    ), claimed as (
        update public.mails m set attempts = m.attempts + 1,
            due_at = clock_timestamp() + make_interval(secs => p_lease_s)
        from due where m.id = due.id returning m.id, m.template, m.language, m.content_sealed, m.attempts
    )
    select coalesce(json_agg(claimed order by claimed.attempts), '[]') from claimed
$$;

-- How an attempt ended: 'sent', 'failed' (for good), or 'waiting' (again in p_retry_s seconds). Repeating changes nothing.
create function public.settle_mail(p_id uuid, p_state text, p_reason text, p_retry_s integer) returns void
language sql set search_path = '' as $$
    update public.mails set state = p_state, reason = p_reason,
        content_sealed = case when p_state = 'waiting' then content_sealed end,
        ended_at = case when p_state <> 'waiting' then clock_timestamp() end,
        due_at = case when p_state = 'waiting' then clock_timestamp() + make_interval(secs => p_retry_s) else due_at end
    where id = p_id and state = 'waiting'
$$;

-- Gives up what waits for too long (its codes are of no use any more), and forgets what ended long ago. Returns how many.
create function public.tidy_mails(p_waiting_days integer, p_ended_days integer) returns integer
language sql set search_path = '' as $$
    with given_up as (
        update public.mails set state = 'failed', content_sealed = null, ended_at = clock_timestamp(),
            reason = coalesce(reason, 'It was not sent in time.')
        where state = 'waiting' and created_at < now() - make_interval(days => p_waiting_days) returning 1
    ), forgotten as (
        delete from public.mails where ended_at < now() - make_interval(days => p_ended_days) returning 1
    )
    select (select count(*) from given_up)::integer + (select count(*) from forgotten)::integer
$$;

revoke execute on function private.queue_mail(jsonb), public.claim_mails(integer, integer),
    public.settle_mail(uuid, text, text, integer), public.tidy_mails(integer, integer) from public;
grant execute on function private.queue_mail(jsonb), public.claim_mails(integer, integer),
    public.settle_mail(uuid, text, text, integer), public.tidy_mails(integer, integer) to service_role;
