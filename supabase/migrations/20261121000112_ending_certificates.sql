-- Certificates that end were watched in silence: the platform asked chargers day by day, and nobody was told that none came.

-- Opens an alarm for each charger whose own certificate ends within p_early_days, and for the TLS port's certificate (or one
-- above it) that ends so soon: one each, which counts on when p_late_days are left and when it has ended, and closes when a
-- later one is there. A charger that has not come to profile 3 does not need the certificate that has ended. Whether the
-- port's was renewed cannot be told while no server has such a port. Returns how many alarms it changed.
create function public.watch_certificates(p_early_days integer, p_late_days integer) returns integer
language plpgsql set search_path = '' set timezone = 'UTC' as $$
declare
    r record;
    v_open uuid[] := '{}';
    v_id uuid;
    v_closed integer;
    done integer := 0;
begin
    for r in
        with ending as (
            select 'certificate_ends' as kind, t.charger_id, t.not_after, t.subject
            from public.certificates t join public.chargers c on c.id = t.charger_id
            where t.kind = 'ChargePointCertificate' and t.state = 'installed' and c.registration = 'accepted'
              and t.not_after < now() + make_interval(days => p_early_days)
              and (t.not_after > now() or c.security_profile = 3)
              and not exists (select from public.certificates n where n.charger_id = t.charger_id and n.kind = t.kind
                              and n.state = 'installed' and (n.not_after, n.id) > (t.not_after, t.id))
            union all
            (select 'server_certificate_ends', null, (s ->> 'not_after')::timestamptz as ends, s ->> 'subject'
             from private.served_certificates() as s
             where (s ->> 'not_after')::timestamptz < now() + make_interval(days => p_early_days) order by ends limit 1)
        ), told as (
            select e.kind, e.charger_id, jsonb_build_object('not_after', e.not_after, 'subject', e.subject, 'within_days',
                case when e.not_after <= now() then 0 when e.not_after < now() + make_interval(days => p_late_days)
                     then p_late_days else p_early_days end) as detail
            from ending e
        )
        select t.*, md5(concat_ws(' ', t.kind, t.charger_id, t.detail))::uuid as report, a.id as alarm_id, a.last_report
        from told t left join public.alarms a on a.kind = t.kind and a.charger_id is not distinct from t.charger_id
            and a.remote_address is null and a.closed_at is null
    loop
        v_id := r.alarm_id;
        if r.last_report is distinct from r.report then
            perform public.raise_alarms(json_build_array(json_build_object('kind', r.kind, 'charger_id', r.charger_id,
                'count', 1, 'at', now(), 'detail', r.detail)), r.report);
            select id into v_id from public.alarms where kind = r.kind and closed_at is null
                and charger_id is not distinct from r.charger_id and remote_address is null;
            done := done + 1;
        end if;
        v_open := v_open || v_id;
    end loop;
    update public.alarms set closed_at = now()
    where closed_at is null and not id = any (v_open)
      and (kind = 'certificate_ends' or kind = 'server_certificate_ends'
           and exists (select from private.served_certificates() as s where s ->> 'not_after' is not null));
    get diagnostics v_closed = row_count;
    return done + v_closed;
end
$$;

revoke execute on function public.watch_certificates(integer, integer) from public;
grant execute on function public.watch_certificates(integer, integer) to service_role;
