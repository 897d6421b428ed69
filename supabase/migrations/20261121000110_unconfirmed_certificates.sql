-- A certificate whose way to the charger came to nothing stopped the asking for renewal: a CertificateSigned that failed,
-- expired or was never answered left it `issued` for ever, and the charger was locked out when its present one ended.

-- May a signed certificate still be confirmed, by the answer or by its use? As long as it is on its way, and for a day after
-- it was sent when the answer was lost. It is let in later, too (`gate_chargers`); but the charger is asked again.
create function private.may_be_confirmed(p_certificate public.certificates) returns boolean
language sql stable set search_path = '' as $$
    select p_certificate.state = 'issued' and exists (
        select from public.commands m where m.id = p_certificate.command_id
        and (m.status in ('queued', 'sent') or m.status = 'timed_out' and m.sent_at > now() - interval '1 day'))
$$;

-- As before, but that of the certificates which are not confirmed only those that still may be count as a renewal.
create or replace function public.keep_security(p_renewal_days integer, p_profile_s integer) returns integer
language plpgsql set search_path = '' as $$
declare
    r record;
    done integer := 0;
begin
    for r in
        update public.certificates t set renewal_asked_at = now()
        from public.chargers c
        where c.id = t.charger_id and c.registration = 'accepted'
          and t.kind = 'ChargePointCertificate' and t.state = 'installed'
          and t.not_after between now() and now() + make_interval(days => p_renewal_days)
          and (t.renewal_asked_at is null or t.renewal_asked_at < now() - interval '1 day')
          and not exists (select from public.certificates n where n.charger_id = t.charger_id and n.kind = t.kind
                          and (n.state = 'installed' or private.may_be_confirmed(n)) and n.not_after > t.not_after)
        returning t.id, t.charger_id
    loop
        perform public.enqueue_command(r.charger_id, 'ExtendedTriggerMessage',
            '{"requestedMessage": "SignChargePointCertificate"}', 'renewal ' || r.id || ' ' || now(), true, 86400, 'UNIEV');
        done := done + 1;
    end loop;
    for r in
        update public.chargers c set wanted_profile_state = 'timed_out', wanted_profile_at = now()
        from public.commands m
        where m.id = c.wanted_profile_command_id and c.wanted_profile_state in ('asked', 'accepted')
          and (m.status in ('expired', 'timed_out')
               or m.status = 'accepted' and m.answered_at < now() - make_interval(secs => p_profile_s))
        returning c.id, c.wanted_profile, c.security_profile
    loop
        perform private.note_security(r.id, 'SecurityProfileTimedOut', format(
            'The charger did not come with profile %s; profile %s stays.', r.wanted_profile, r.security_profile));
        done := done + 1;
    end loop;
    delete from public.security_events where received_at < now() - interval '400 days';
    delete from public.certificate_requests where state <> 'waiting' and received_at < now() - interval '400 days';
    return done;
end
$$;

revoke execute on function private.may_be_confirmed(public.certificates) from public;
grant execute on function private.may_be_confirmed(public.certificates) to service_role;
