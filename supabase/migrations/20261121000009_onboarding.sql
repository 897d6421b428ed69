-- Putting places and machines on the map.

create view public.station_details with (security_invoker = true) as
select p.id, p.cpo_id, p.name, p.address, p.city, p.province, p.latitude, p.longitude, p.timezone, p.site_type,
    p.created_at, p.updated_at,
    (select count(*) from public.chargers c where c.station_id = p.id) as charger_count
from public.stations p;

-- A charger and its connectors (EVSE 1..n, one connector each) at a station the caller can see.
-- {id, station_id, name, vendor, model, current_type, rated_power_w, password_hash, request_id}
-- The same request_id registers once. Errors: station_not_found, charger_exists.
create function public.register_charger(p_charger jsonb, p_connector_count integer) returns void
language plpgsql set search_path = '' as $$
declare
    place public.stations;
begin
    select * into place from public.stations where id = (p_charger ->> 'station_id')::uuid;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such station.', hint = 'station_not_found';
    end if;
    insert into public.chargers (id, cpo_id, station_id, name, vendor, model, current_type, rated_power_w, password_hash,
        request_id)
    select r.id, place.cpo_id, place.id, r.name, r.vendor, r.model, r.current_type, r.rated_power_w, r.password_hash,
        r.request_id
    from jsonb_to_record(p_charger) as r(id text, name text, vendor text, model text, current_type text,
                                         rated_power_w integer, password_hash text, request_id uuid)
    on conflict (id) do nothing;
    if not found then
        perform from public.chargers
        where id = p_charger ->> 'id' and request_id = (p_charger ->> 'request_id')::uuid;
        if not found then
            raise exception using errcode = 'P0001', hint = 'charger_exists',
                message = 'This identity is registered already.';
        end if;
        return;
    end if;
    insert into public.connectors (charger_id, evse_id, connector_id, cpo_id)
    select p_charger ->> 'id', n, 1, place.cpo_id from generate_series(1, p_connector_count) as n;
end
$$;

-- A discovered charger is given a station, and with it a CPO; its connectors and its live socket follow.
-- The platform alone may do this: the rows belong to nobody before. Repeating it changes nothing.
-- Errors: charger_not_found, station_not_found, charger_approval_conflict (it works elsewhere already).
create function public.approve_charger(p_charger_id text, p_station_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
    place public.stations;
    machine public.chargers;
begin
    select * into place from public.stations where id = p_station_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such station.', hint = 'station_not_found';
    end if;
    select * into machine from public.chargers where id = p_charger_id for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such charger.', hint = 'charger_not_found';
    end if;
    if machine.registration = 'accepted' and machine.station_id is distinct from p_station_id then
        raise exception using errcode = 'P0001', hint = 'charger_approval_conflict',
            message = 'This charger was approved for another station already.';
    end if;
    update public.chargers set registration = 'accepted', station_id = place.id, cpo_id = place.cpo_id, updated_at = now()
    where id = p_charger_id;
    update public.connectors set cpo_id = place.cpo_id where charger_id = p_charger_id;
    update public.connections set cpo_id = place.cpo_id where charger_id = p_charger_id;
end
$$;

revoke execute on function public.register_charger(jsonb, integer), public.approve_charger(text, uuid) from public;
grant execute on function public.register_charger(jsonb, integer) to authenticated, service_role;
grant execute on function public.approve_charger(text, uuid) to service_role;
grant select on public.station_details to authenticated, service_role;
