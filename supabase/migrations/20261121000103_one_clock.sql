-- Which socket of a charger is the newest was told by the clocks of the servers that took them, and those differ. A beat now
-- tells the database's time, which all servers share.
drop function public.beat_node(text, boolean, jsonb);
-- `{doubted, at}`. doubted: others may have believed the node dead.
create function public.beat_node(p_node text, p_started boolean, p_stats jsonb) returns json
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
    return json_build_object('doubted', not p_started and v_steady > now() - interval '15 seconds',
                             'at', clock_timestamp());
end
$$;
revoke execute on function public.beat_node(text, boolean, jsonb) from public;
grant execute on function public.beat_node(text, boolean, jsonb) to service_role;
