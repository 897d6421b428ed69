-- Reservations where they are: times are read in the zone of the station, and those that live stand apart from the earlier.
create view public.reservation_details with (security_invoker = true) as
select r.*, r.status in ('requested', 'active') as live, p.name as station_name, p.timezone as station_timezone
from public.reservations r
left join public.chargers c on c.id = r.charger_id
left join public.stations p on p.id = c.station_id;
grant select on public.reservation_details to authenticated, service_role;

-- Those that live are few among many that are over.
create index reservations_live_newest on public.reservations (created_at desc, id desc) where status in ('requested', 'active');
