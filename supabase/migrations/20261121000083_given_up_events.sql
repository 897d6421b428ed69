-- An event whose reaction fails is tried again ever later, and is given up in the end: kept with what went wrong, and an alarm.

alter table public.outbox add column tries integer not null default 0,  -- that failed
    add column last_error text,
    add column given_up_at timestamptz;
create index outbox_given_up on public.outbox (id) where given_up_at is not null;

-- As before, without those that were given up, and each with its tries so far.
create or replace function public.claim_outbox(p_limit integer, p_lease_s integer) returns json
language sql set search_path = '' as $$
    with waiting as (
        select id from public.outbox
        where published_at is null and given_up_at is null and (claimed_until is null or claimed_until < now())
        order by id limit p_limit for update skip locked
    ), claimed as (
        update public.outbox o set claimed_until = now() + make_interval(secs => p_lease_s)
        from waiting where o.id = waiting.id returning o.id, o.topic, o.payload, o.tries
    )
    select coalesce(json_agg(claimed order by claimed.id), '[]') from claimed
$$;

-- Their reactions failed: [{id, tries, error}], `tries` as claimed, so that a repeated call counts once. The next try comes
-- after p_first_s seconds, then after twice as long each time; after p_most tries there is none.
create function public.fail_outbox(p_rows json, p_most integer, p_first_s integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_given_up json;
begin
    with failed as (
        update public.outbox o set tries = r.tries + 1, last_error = left(r.error, 500),
            claimed_until = now() + make_interval(secs => p_first_s * 2 ^ least(r.tries, 16)),
            given_up_at = case when r.tries + 1 >= p_most then now() end
        from json_to_recordset(p_rows) as r(id bigint, tries integer, error text)
        where o.id = r.id and o.tries = r.tries and o.published_at is null and o.given_up_at is null
        returning o.id, o.topic, o.given_up_at
    )
    select json_agg(json_build_object('kind', 'event_given_up', 'count', 1, 'at', given_up_at,
        'detail', json_build_object('event_id', id, 'topic', topic))) into v_given_up
    from failed where given_up_at is not null;
    if v_given_up is not null then
        perform public.raise_alarms(v_given_up, gen_random_uuid());
    end if;
end
$$;

-- Events that were given up, or those among them that are named, are tried again from the beginning. Returns how many. The
-- alarm closes when none is left.
create function public.retry_outbox(p_ids json) returns integer
language plpgsql set search_path = '' as $$
declare
    v_count integer;
begin
    update public.outbox set tries = 0, given_up_at = null, claimed_until = null
    where given_up_at is not null
      and (p_ids is null or id in (select value::bigint from json_array_elements_text(p_ids)));
    get diagnostics v_count = row_count;
    update public.alarms set closed_at = now() where kind = 'event_given_up' and closed_at is null
        and not exists (select from public.outbox where given_up_at is not null);
    return v_count;
end
$$;

revoke execute on function public.fail_outbox(json, integer, integer), public.retry_outbox(json) from public;
grant execute on function public.fail_outbox(json, integer, integer), public.retry_outbox(json) to service_role;
