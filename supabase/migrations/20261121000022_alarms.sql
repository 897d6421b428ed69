-- What somebody should look at: one open row for each kind of trouble with a charger, however often it is seen.

-- `charger_id` names the charger; where none is known (a handshake that never ended) `remote_address` does.
-- `quiet_s`: closes by itself when it was not seen for so long; null: whoever opened it closes it.
create table public.alarms (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),  -- null: EMSV's
    kind text not null check (kind ~ '^[a-z][a-z_]{0,59}$'),
    charger_id text references public.chargers (id) on delete cascade,
    remote_address text,
    opened_at timestamptz not null,
    last_seen_at timestamptz not null,
    count bigint not null check (count > 0),
    detail jsonb not null default '{}',
    quiet_s integer check (quiet_s > 0),
    closed_at timestamptz,
    last_report uuid,  -- a report that is repeated after a lost answer counts once
    check (charger_id is null or remote_address is null)
);
create unique index alarms_open on public.alarms (kind, charger_id, remote_address) nulls not distinct
    where closed_at is null;
create index alarms_cpo on public.alarms (cpo_id, opened_at);
create index alarms_charger on public.alarms (charger_id);

call private.protect('public.alarms', array[]::text[]);
grant select, insert, update, delete on public.alarms to service_role;
grant select (id, cpo_id, kind, charger_id, remote_address, opened_at, last_seen_at, count, detail, closed_at)
    on public.alarms to authenticated;

-- Opens alarms or counts on in those that are open: [{kind, charger_id, remote_address, count, at, detail, quiet_s}].
-- A charger that is not registered is named by its address alone.
create function public.raise_alarms(p_rows json, p_report uuid) returns void
language sql set search_path = '' as $$
    insert into public.alarms as a (cpo_id, kind, charger_id, remote_address, opened_at, last_seen_at, count, detail,
                                    quiet_s, last_report)
    select (array_agg(c.cpo_id))[1], x.kind, c.id, case when c.id is null then x.remote_address end, min(x.at), max(x.at),
        sum(x.count), coalesce((array_agg(x.detail order by x.at desc))[1], '{}'), max(x.quiet_s), p_report
    from json_to_recordset(p_rows) as x(kind text, charger_id text, remote_address text, count bigint, at timestamptz,
                                        detail jsonb, quiet_s integer)
    left join public.chargers c on c.id = x.charger_id
    group by 2, 3, 4
    order by 2, 3, 4
    on conflict (kind, charger_id, remote_address) where closed_at is null do update
    set cpo_id = excluded.cpo_id, last_seen_at = greatest(a.last_seen_at, excluded.last_seen_at),
        count = a.count + excluded.count, detail = excluded.detail, quiet_s = excluded.quiet_s,
        last_report = excluded.last_report
    where a.last_report is distinct from excluded.last_report
$$;

-- Closes what was quiet for long enough and forgets what was closed long ago. Returns how many were closed.
create function public.close_quiet_alarms(p_keep_days integer) returns integer
language plpgsql set search_path = '' as $$
declare
    closed integer;
begin
    update public.alarms set closed_at = now()
    where closed_at is null and last_seen_at < now() - quiet_s * interval '1 second';
    get diagnostics closed = row_count;
    delete from public.alarms where closed_at < now() - p_keep_days * interval '1 day';
    return closed;
end
$$;

revoke execute on function public.raise_alarms(json, uuid), public.close_quiet_alarms(integer) from public;
grant execute on function public.raise_alarms(json, uuid), public.close_quiet_alarms(integer) to service_role;
