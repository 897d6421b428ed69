-- Which chargers' certificates end soonest: of each charger the installed one of its own that lasts longest.
create view public.certificate_ends with (security_invoker = true) as
select t.id, t.cpo_id, t.charger_id, c.security_profile, t.serial_number, t.not_after, t.last_used_at, t.renewal_asked_at
from public.certificates t join public.chargers c on c.id = t.charger_id
where t.kind = 'ChargePointCertificate' and t.state = 'installed' and t.not_after is not null
  and not exists (select from public.certificates n where n.charger_id = t.charger_id and n.kind = t.kind
                  and n.state = 'installed' and (n.not_after, n.id) > (t.not_after, t.id));
grant select on public.certificate_ends to authenticated, service_role;
