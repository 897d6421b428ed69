-- [{charger_id, connection_id, node, protocol, remote_address, at}]: the newest socket of a charger wins. `at` is by the
-- clock of the server that took it, and such clocks are set back, and differ between servers: what lies in the future,
-- or ended, yields to any. A charger that was passed over would get no command until it connects again.
create or replace function private.keep_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with incoming as materialized (
        select distinct on (r.charger_id) r.*, c.cpo_id
        from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid, node text, protocol text,
                                            remote_address text, at timestamptz)
        join public.chargers c on c.id = r.charger_id
        order by r.charger_id, r.at desc
    ), before as materialized (
        select k.charger_id, k.connection_id, k.disconnected_at is null as open
        from incoming i join public.connections k on k.charger_id = i.charger_id
    ), opened as (
        insert into public.connections as k
            (charger_id, cpo_id, connection_id, node, protocol, remote_address, connected_at, last_seen_at)
        select charger_id, cpo_id, connection_id, node, protocol, remote_address, at, at from incoming
        on conflict (charger_id) do update set
            cpo_id = excluded.cpo_id, connection_id = excluded.connection_id, node = excluded.node,
            protocol = excluded.protocol, remote_address = excluded.remote_address,
            connected_at = excluded.connected_at, last_seen_at = excluded.last_seen_at, disconnected_at = null
        -- A clock of a server was ahead when the row was written, or is behind now: no reason to miss an open socket.
        where k.connected_at <= excluded.connected_at or k.disconnected_at is not null
           or k.connected_at > clock_timestamp()
        returning k.charger_id, k.cpo_id, k.connection_id, k.protocol, k.remote_address, k.connected_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select o.connected_at, o.cpo_id, o.charger_id, 'connection', 'connected', jsonb_strip_nulls(jsonb_build_object(
        'protocol', o.protocol, 'remote_address', o.remote_address, 'replaced', case when b.open then true end))
    from opened o left join before b on b.charger_id = o.charger_id
    where b.connection_id is distinct from o.connection_id;

    -- The operator's last wish, if the charger never heard it, is told now.
    insert into public.commands (cpo_id, charger_id, action, payload, requested_by, requested_by_name, expires_at)
    select m.cpo_id, m.charger_id, m.action, m.payload, m.requested_by, m.requested_by_name, now() + interval '15 minutes'
    from (select distinct charger_id from json_to_recordset(p_rows) as j(charger_id text)) r
    join public.chargers c on c.id = r.charger_id
    cross join lateral (
        select * from public.commands w
        where w.charger_id = c.id and w.action = 'ChangeAvailability' and w.payload ->> 'connectorId' = '0'
        order by w.seq desc limit 1) m
    where m.status in ('expired', 'timed_out', 'failed') and m.cpo_id is not distinct from c.cpo_id
      and (m.payload ->> 'type' = 'Inoperative') = (c.availability = 'inoperative');
end
$$;
