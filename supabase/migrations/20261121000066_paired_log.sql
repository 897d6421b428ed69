-- A call that was answered before it was written stands in one row with its answer, which nearly all are: half of the
-- rows and of their index entries. An answer that came later, a CALLERROR, and what is no call stand for themselves.

alter table public.ocpp_messages
    add column answered_at timestamptz,   -- of a call: when its CALLRESULT passed
    add column answer text,               -- that frame, as it was on the wire
    add constraint answered_with_something check ((answer is null) = (answered_at is null));

create function private.milliseconds(p_span interval) returns real
language sql immutable set search_path = '' as $$ select (extract(epoch from p_span) * 1000)::real $$;
revoke execute on function private.milliseconds(interval) from public;
grant execute on function private.milliseconds(interval) to authenticated, service_role;

-- Every frame, in bulk, apart from the business lane, column by column: a million characters a second are not worth
-- being parsed as JSON.
drop function public.log_messages(json);
create function public.log_messages(p_at timestamptz[], p_charger_id text[], p_direction text[], p_kind text[],
    p_action text[], p_pair_id text[], p_latency_ms real[], p_payload text[], p_error_code text[],
    p_answered_at timestamptz[], p_answer text[]) returns void
language plpgsql set search_path = ''
    set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
begin
    insert into public.ocpp_messages (at, cpo_id, charger_id, direction, kind, action, pair_id, latency_ms, payload,
        error_code, answered_at, answer)
    select r.at, c.cpo_id, r.charger_id, r.direction, r.kind, r.action, r.pair_id, r.latency_ms, r.payload, r.error_code,
        r.answered_at, r.answer
    from unnest(p_at, p_charger_id, p_direction, p_kind, p_action, p_pair_id, p_latency_ms, p_payload, p_error_code,
                p_answered_at, p_answer)
        as r(at, charger_id, direction, kind, action, pair_id, latency_ms, payload, error_code, answered_at, answer)
    left join public.chargers c on c.id = r.charger_id;
end
$$;
revoke execute on function public.log_messages(timestamptz[], text[], text[], text[], text[], text[], real[], text[],
    text[], timestamptz[], text[]) from public;
grant execute on function public.log_messages(timestamptz[], text[], text[], text[], text[], text[], real[], text[],
    text[], timestamptz[], text[]) to service_role;

-- What a driver may see and have erased stands in answers too.
update private.driver_data set
    belongs = 'r.charger_id in (select s.charger_id from private.sessions_of($1, $2) s)
     and exists (select 1 from unnest($2) k where strpos(lower(r.payload || coalesce(r.answer, '''')), k) > 0)',
    shown = 'r.at, r.charger_id, r.direction, r.kind, r.action, r.payload, r.answer',
    erased = 'payload = private.frame_without_tokens(payload, $2), answer = private.frame_without_tokens(answer, $2)'
where relation = 'ocpp_messages';

-- Frames in the order of their calls, an answer behind its call. p_newest_first, or oldest first. `key_at` (of the
-- call) and `key_id` continue the list; `key_id` is also the frame's number, even for what stands in a row's front.
-- The text is put together for each question, so that the planner sees the constants and finds the partial indexes.
create function public.message_frames(p_charger_id text, p_action text, p_direction text, p_kind text, p_errors boolean,
    p_error_code text, p_from timestamptz, p_to timestamptz, p_newest_first boolean, p_after_at timestamptz,
    p_after_id bigint, p_limit integer) returns json
language plpgsql stable set search_path = '' as $$
declare
    way constant text := case when p_newest_first then 'desc' else 'asc' end;
    beyond constant text := case when p_newest_first then '<' else '>' end;
    wanted text := format('m.charger_id = %L', p_charger_id)
        || coalesce(' and m.action = ' || quote_literal(p_action), '')
        || coalesce(' and m.error_code = ' || quote_literal(p_error_code), '')
        || case when p_errors then ' and m.error_code is not null' else '' end
        || coalesce(' and m.at >= ' || quote_literal(p_from), '')
        || coalesce(' and m.at < ' || quote_literal(p_to), '');
    front constant text := 'true' || coalesce(' and m.direction = ' || quote_literal(p_direction), '')
        || coalesce(' and m.kind = ' || quote_literal(p_kind), '');
    back constant text := case when p_errors or p_error_code is not null or coalesce(p_kind, 'result') <> 'result' then 'false'
        else 'm.answer is not null' || coalesce(' and m.direction <> ' || quote_literal(p_direction), '') end;
    frames json;
begin
    if p_after_at is not null then
        wanted := wanted || format(' and m.at %s= %L and (m.at, m.id) %s= (%L, %s)', beyond, p_after_at, beyond, p_after_at,
                                   div(p_after_id, 2));
    end if;
    execute format($q$
        select coalesce(json_agg(t), '[]') from (
            select m.at as key_at, f.id as key_id, f.id, f.at, f.direction, f.kind, m.action, m.pair_id, f.latency_ms,
                f.error_code, f.payload
            from (select * from public.ocpp_messages m where %1$s and ((%2$s) or (%3$s))
                  order by m.at %4$s, m.id %4$s limit %5$s + 1) m
            cross join lateral (
                select m.id * 2 as id, m.at, m.direction, m.kind, m.latency_ms, m.error_code, m.payload where %2$s
                union all
                select m.id * 2 + 1, m.answered_at, case m.direction when 'in' then 'out' else 'in' end, 'result',
                    private.milliseconds(m.answered_at - m.at), null, m.answer where %3$s) f
            where %6$s
            order by m.at %4$s, f.id %4$s limit %5$s) t
        $q$, wanted, front, back, way, p_limit,
        case when p_after_at is null then 'true' else format('(m.at, f.id) %s (%L, %s)', beyond, p_after_at, p_after_id) end)
    into frames;
    return frames;
end
$$;
revoke execute on function public.message_frames(text, text, text, text, boolean, text, timestamptz, timestamptz, boolean,
    timestamptz, bigint, integer) from public;
grant execute on function public.message_frames(text, text, text, text, boolean, text, timestamptz, timestamptz, boolean,
    timestamptz, bigint, integer) to authenticated, service_role;

-- One entry per call with its answer, and per frame that stands alone (broken, or an answer to nothing), newest first.
-- With p_errors or p_error_code the CALLERRORs and broken frames, with their calls. `key_at`, `key_id` continue the list.
-- The text is put together for each question, so that the planner sees the constants and finds the partial indexes.
create or replace function public.message_exchanges(p_charger_id text, p_action text, p_direction text, p_errors boolean,
    p_error_code text, p_from timestamptz, p_to timestamptz, p_after_at timestamptz, p_after_id bigint, p_limit integer)
returns json
language plpgsql stable set search_path = '' as $$
declare
    by_error constant boolean := coalesce(p_errors, false) or p_error_code is not null;
    wanted text := format('m.charger_id = %L', p_charger_id);
    entries json;
begin
    -- An answer whose call was heard has a latency: what has none stands first in its entry.
    wanted := wanted || case when by_error then ' and m.error_code is not null'
                             when p_action is null then ' and m.latency_ms is null' else ' and m.kind = ''call''' end
        || coalesce(' and m.error_code = ' || quote_literal(p_error_code), '')
        || coalesce(' and m.action = ' || quote_literal(p_action), '')
        || coalesce(' and m.at >= ' || quote_literal(p_from), '')
        || coalesce(' and m.at < ' || quote_literal(p_to), '')
        || coalesce(' and (m.direction = ' || quote_literal(p_direction)
                    || ') = (m.kind in (''call'', ''bad'') or m.latency_ms is null)', '')
        || case when p_after_at is null then ''
                else format(' and m.at <= %L and (m.at, m.id) < (%L, %s)', p_after_at, p_after_at, p_after_id) end;
    execute format($q$
        select coalesce(json_agg(t), '[]') from (
            select m.at as key_at, m.id as key_id, coalesce(c.at, m.at) as at,
                case when c.id is not null then c.direction else m.direction end as direction,
                coalesce(c.action, m.action) as action, m.pair_id,
                case when m.kind = 'bad' then 'bad' when m.kind = 'error' and m.latency_ms is not null then 'error'
                     when m.kind <> 'call' then 'stray' when a.kind = 'error' then 'error'
                     when m.answer is not null or a.kind = 'result' then 'answered'
                     when m.at > now() - interval '1 minute' then 'waiting' else 'unanswered' end as outcome,
                coalesce(m.error_code, a.error_code) as error_code,
                coalesce(m.latency_ms, a.latency_ms, private.milliseconds(m.answered_at - m.at)) as latency_ms,
                case when m.kind in ('call', 'bad') then m.payload else c.payload end as request,
                case when m.kind in ('call', 'bad') then coalesce(m.answer, a.payload) else m.payload end as response,
                case when m.kind in ('call', 'bad') then coalesce(m.answered_at, a.at) else m.at end as answered_at
            from (select * from public.ocpp_messages m where %s order by m.at desc, m.id desc limit %s) m
            left join lateral (
                select x.* from public.ocpp_messages x
                where m.kind in ('call', 'bad') and m.answer is null and x.charger_id = m.charger_id and x.at >= m.at
                  and x.at < m.at + interval '5 minutes' and x.pair_id = m.pair_id and x.direction <> m.direction
                  and x.kind in ('result', 'error') order by x.at, x.id limit 1) a on true
            left join lateral (
                select x.* from public.ocpp_messages x
                where m.kind in ('result', 'error') and m.latency_ms is not null and x.charger_id = m.charger_id
                  and x.at <= m.at and x.at > m.at - interval '5 minutes' and x.pair_id = m.pair_id
                  and x.direction <> m.direction and x.kind in ('call', 'bad') order by x.at desc, x.id desc limit 1) c on true
            order by m.at desc, m.id desc) t
        $q$, wanted, p_limit) into entries;
    return entries;
end
$$;
