-- A local list says of a token what Authorize says (token_facts, decided in backend/domain/authorization.py). A list that
-- knew less left a card Accepted where the charger decides by itself: a member of a group that the EMSV had blocked, and
-- every card of a CPO that is suspended. The list is made of all tokens at once and not by asking token_facts for each of
-- them: that counts open sessions besides, and lists of thousands are compared again and again. That both say the same of
-- every token is held by tests/flows/test_list_standing.py.

-- What stands of these keys with the EMSV, whose tokens open every CPO's chargers but are not a CPO's to read. Runs as the
-- owner, for wanted_list alone.
create function private.emsv_groups(p_token_keys text[])
returns table (token_key text, status text, expires_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select k.token_key, k.status, k.expires_at from public.id_tokens k
    where k.cpo_id is null and k.token_key = any (p_token_keys)
$$;

-- The CPO's tokens as entries, those that open first; at most p_most. Tokens longer than OCPP 1.6 carries stay out. The
-- group's standing is the CPO's word, else the EMSV's; at a CPO that is not active nothing opens.
create or replace function private.wanted_list(p_cpo_id uuid, p_most integer)
returns table (token_key text, id_token text, status text, expires_at timestamptz, parent_token text)
language sql stable set search_path = '' as $$
    select * from (
        select k.token_key, k.token,
            case when o.status <> 'active' or k.status = 'blocked' or coalesce(g.status, e.status) = 'blocked' then 'Blocked'
                 when until.at <= now() then 'Expired' else 'Accepted' end as state,
            date_trunc('second', until.at),
            case when length(k.parent_token) <= 20 then k.parent_token end
        from public.id_tokens k
        left join public.cpos o on o.id = k.cpo_id
        left join public.id_tokens g on g.cpo_id = k.cpo_id and g.token_key = lower(k.parent_token)
        left join private.emsv_groups(array(select distinct lower(m.parent_token) from public.id_tokens m
                                            where m.cpo_id = p_cpo_id and m.parent_token is not null)) e
            on g.id is null and e.token_key = lower(k.parent_token)
        cross join lateral (select least(k.expires_at, case when g.id is null then e.expires_at else g.expires_at end)) until(at)
        where k.cpo_id = p_cpo_id and length(k.token) <= 20) t
    order by state <> 'Accepted', token_key limit p_most
$$;

revoke execute on function private.emsv_groups(text[]) from public;
grant execute on function private.emsv_groups(text[]) to authenticated, service_role;
