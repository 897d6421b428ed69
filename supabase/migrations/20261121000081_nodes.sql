-- Each process of the OCPP server is a node of its own: two of them on machines of the same name and port (containers) are
-- not one. So none knows at its start whose sockets are gone; a node that ends says so, and of one that died the others do.

-- Since when this node was heard of without a break: it can judge others only while it reaches the database itself.
alter table public.nodes add column steady_since timestamptz not null default now();

-- These nodes are no more: their sockets are gone, and what they counted is counted on without them.
create function private.forget_nodes(p_names text[]) returns void
language plpgsql set search_path = '' as $$
begin
    with closed as (
        update public.connections set disconnected_at = now() where node = any (p_names) and disconnected_at is null
        returning charger_id, cpo_id, disconnected_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select disconnected_at, cpo_id, charger_id, 'connection', 'disconnected', '{"server_restarted": true}' from closed;
    with counted as (
        delete from public.gate_refusals where node = any (p_names) returning *
    )
    insert into public.gate_refusals as g (charger_id, reason, node, cpo_id, refused_count, first_at, last_at, last_address)
    select charger_id, reason, '', (array_agg(cpo_id))[1], sum(refused_count), min(first_at), max(last_at),
        (array_agg(last_address order by last_at desc))[1]
    from counted group by charger_id, reason
    on conflict (charger_id, reason, node) do update set refused_count = g.refused_count + excluded.refused_count,
        first_at = least(g.first_at, excluded.first_at), last_at = greatest(g.last_at, excluded.last_at),
        last_address = case when g.last_at < excluded.last_at then excluded.last_address else g.last_address end;
    delete from public.nodes where name = any (p_names);
end
$$;

-- A node says it lives; with `p_started`, for the first time. Others that were silent for half a minute, in which this one
-- reached the database all the time, have died. True: not long ago this node was not heard of itself; it may have been
-- believed dead, and has to say which sockets it holds.
drop function public.beat_node(text, boolean, jsonb);
create function public.beat_node(p_node text, p_started boolean, p_stats jsonb) returns boolean
language plpgsql set search_path = '' as $$
declare
    v_steady timestamptz;
    v_dead text[];
begin
    insert into public.nodes as n (name, started_at, seen_at, stats) values (p_node, now(), now(), p_stats)
    on conflict (name) do update set seen_at = now(), stats = excluded.stats,
        steady_since = case when n.seen_at < now() - interval '15 seconds' then now() else n.steady_since end
    returning steady_since into v_steady;
    if v_steady < now() - interval '30 seconds' then
        v_dead := array(select name from public.nodes where seen_at < now() - interval '30 seconds' for update skip locked);
        if v_dead <> '{}' then
            perform private.forget_nodes(v_dead);
        end if;
    end if;
    return not p_started and v_steady > now() - interval '15 seconds';
end
$$;

-- A node ends in order.
create function public.end_node(p_node text) returns void
language sql set search_path = '' as $$
    select private.forget_nodes(array[p_node])
$$;

-- The sockets of a node that was believed dead are open all the same: [{charger_id, connection_id}]. Where a charger has
-- come with a newer one, that stays.
create function public.reclaim_connections(p_node text, p_rows json) returns void
language sql set search_path = '' as $$
    with opened as (
        update public.connections k set disconnected_at = null, last_seen_at = now()
        from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid)
        where k.charger_id = r.charger_id and k.connection_id = r.connection_id and k.node = p_node
          and k.disconnected_at is not null
        returning k.charger_id, k.cpo_id, k.protocol, k.remote_address
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select now(), cpo_id, charger_id, 'connection', 'connected', jsonb_strip_nulls(jsonb_build_object(
        'protocol', protocol, 'remote_address', remote_address)) from opened
$$;

revoke execute on function private.forget_nodes(text[]), public.beat_node(text, boolean, jsonb), public.end_node(text),
    public.reclaim_connections(text, json) from public;
grant execute on function private.forget_nodes(text[]), public.beat_node(text, boolean, jsonb), public.end_node(text),
    public.reclaim_connections(text, json) to service_role;
