-- How many sessions a token has open is asked at each start. Plans made while the tables are still empty take any index
-- whose predicate matches, and a scan of all open sessions looks as cheap as a look at one token's: so the index that
-- is meant gets a predicate that no other one has. Cost per start must not grow with the number of sessions.
drop index public.sessions_open_token;
create index sessions_open_token on public.sessions (lower(id_token))
    where coalesce(stopped_at, 'infinity'::timestamptz) = 'infinity'::timestamptz;

-- What is known of a token at a charger of this CPO, and of the token that bears its group's name, if there is
-- one; the decision is taken by the caller.
create or replace function private.token_facts(p_cpo_id uuid, p_id_token text, p_except_session uuid) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'status', t.status, 'expires_at', t.expires_at, 'parent_token', t.parent_token,
        'parent_status', g.status, 'parent_expires_at', g.expires_at,
        'open_sessions', (select count(*) from public.sessions s
                          where lower(s.id_token) = lower(p_id_token)
                            and coalesce(s.stopped_at, 'infinity'::timestamptz) = 'infinity'::timestamptz
                            and s.id is distinct from p_except_session
                            and s.cpo_id is not distinct from p_cpo_id and private.still_charges(s)),
        'concurrent_sessions', (select o.concurrent_sessions from public.cpos o where o.id = p_cpo_id))
    from (select 1) as one
    left join lateral (
        select k.status, k.expires_at, k.parent_token from public.id_tokens k
        where k.token_key = lower(p_id_token) and (k.cpo_id = p_cpo_id or k.cpo_id is null)
        order by k.cpo_id nulls last limit 1) t on true
    left join lateral (
        select k.status, k.expires_at from public.id_tokens k
        where k.token_key = lower(t.parent_token) and (k.cpo_id = p_cpo_id or k.cpo_id is null)
        order by k.cpo_id nulls last limit 1) g on true
$$;
