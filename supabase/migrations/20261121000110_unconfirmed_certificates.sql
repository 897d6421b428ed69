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

revoke execute on function private.may_be_confirmed(public.certificates) from public;
grant execute on function private.may_be_confirmed(public.certificates) to service_role;
