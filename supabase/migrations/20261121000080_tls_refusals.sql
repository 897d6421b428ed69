-- Why a charger is not let in, said more exactly: what ends within TLS is counted beside what the gate refuses, and a
-- certificate that is revoked or another's is told from one that is missing.

alter table public.gate_refusals drop constraint gate_refusals_reason_check;
alter table public.gate_refusals add constraint gate_refusals_reason_check check (reason in ('password', 'tls', 'certificate',
    'certificate_other_name', 'certificate_unknown', 'certificate_revoked', 'certificate_expired', 'certificate_early',
    'certificate_untrusted', 'certificate_unfit', 'platform_untrusted', 'tls_version', 'tls_suites', 'tls_left', 'tls_broken',
    'not_tls'));

-- As before, and whether the certificate with that fingerprint was this charger's and is revoked.
create or replace function private.gate_chargers(p_rows json) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(
        case when c.id is null or o.status = 'closed' then null else json_build_object(
            'cpo_id', c.cpo_id, 'registration', c.registration, 'password_hash', c.password_hash,
            'security_profile', c.security_profile,
            'pending_hashes', (select coalesce(json_agg(k.password_hash order by k.seq), '[]')
                               from public.charger_keys k where k.charger_id = c.id),
            'certificate_id', (select t.id from public.certificates t
                               where t.charger_id = c.id and t.fingerprint = r.fingerprint
                                 and t.kind = 'ChargePointCertificate' and t.state in ('issued', 'installed')
                                 and now() between t.not_before and t.not_after),
            'certificate_revoked', exists (select from public.certificates t
                               where t.charger_id = c.id and t.fingerprint = r.fingerprint and t.state = 'revoked')) end
        order by r.position), '[]')
    from (select value ->> 'charger_id' as charger_id, value ->> 'fingerprint' as fingerprint, ordinality as position
          from json_array_elements(p_rows) with ordinality) r
    left join public.chargers c on c.id = r.charger_id
    left join public.cpos o on o.id = c.cpo_id
$$;
