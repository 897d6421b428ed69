-- Certificates of chargers: requested, signed by the platform's own authority, installed, listed, deleted, revoked.

-- Certificate signing requests of chargers, for the worker. One of a charger waits at a time: the newest.
create table public.certificate_requests (
    id uuid primary key default gen_random_uuid(),
    charger_id text not null references public.chargers (id) on delete cascade,
    csr text not null,
    digest bytea not null,
    state text not null default 'waiting' check (state in ('waiting', 'issued', 'refused')),
    reason text,
    received_at timestamptz not null
);
create unique index certificate_requests_waiting on public.certificate_requests (charger_id) where state = 'waiting';
create index certificate_requests_charger on public.certificate_requests (charger_id, received_at desc);
alter table public.certificate_requests enable row level security;  -- no policy: the platform alone
grant select, insert, update, delete on public.certificate_requests to service_role;

-- The platform's own authority: one row. The keys are sealed with a key made from UNIEV_SECRET_KEY.
create table public.certificate_authority (
    id integer primary key default 1 check (id = 1),
    root_pem text not null,
    root_key text not null,
    issuing_pem text not null,
    issuing_key text not null,
    created_at timestamptz not null default now()
);
alter table public.certificate_authority enable row level security;  -- no policy: the platform alone
grant select, insert on public.certificate_authority to service_role;

-- ---------------------------------------------------------------- answers to commands
create function private.settle_signed_certificate(p_command public.commands) returns void
language sql set search_path = '' as $$
    update public.certificates set state_at = p_command.answered_at,
        state = case p_command.status when 'accepted' then 'installed' else 'rejected' end
    where command_id = p_command.id and state = 'issued' and p_command.status in ('accepted', 'rejected')
$$;

-- What was installed is read by the worker, which knows certificates.
create function private.settle_installed_certificate(p_command public.commands) returns void
language sql set search_path = '' as $$
    insert into public.outbox (cpo_id, topic, payload)
    select p_command.cpo_id, 'certificate.installed', json_build_object('command_id', p_command.id)
    where p_command.status = 'accepted'
$$;

create function private.serial(p_serial text) returns text
language sql immutable set search_path = '' as $$ select coalesce(nullif(ltrim(lower(p_serial), '0'), ''), '0') $$;

-- DeleteCertificate: one that the charger never had is gone, too.
create function private.settle_deleted_certificate(p_command public.commands) returns void
language sql set search_path = '' as $$
    update public.certificates set state = 'deleted', state_at = p_command.answered_at
    where charger_id = p_command.charger_id and state = 'installed' and kind <> 'ChargePointCertificate'
      and serial_number = private.serial(p_command.payload #>> '{certificateHashData,serialNumber}')
      and lower(issuer_name_hash) is not distinct from
          case when hash_algorithm = p_command.payload #>> '{certificateHashData,hashAlgorithm}'
               then lower(p_command.payload #>> '{certificateHashData,issuerNameHash}') else lower(issuer_name_hash) end
      and p_command.response ->> 'status' in ('Accepted', 'NotFound')
$$;

-- GetInstalledCertificateIds: the charger's list is the truth about this kind of root.
create function private.settle_listed_certificates(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    v_kind constant text := p_command.payload ->> 'certificateType';
    v_list jsonb := p_command.response -> 'certificateHashData';
begin
    if coalesce(p_command.response ->> 'status' not in ('Accepted', 'NotFound')
                or v_kind not in ('CentralSystemRootCertificate', 'ManufacturerRootCertificate'), true) then
        return;
    end if;
    if jsonb_typeof(v_list) is distinct from 'array' then
        v_list := '[]';
    end if;
    insert into public.certificates as t (cpo_id, charger_id, kind, state, serial_number, hash_algorithm, issuer_name_hash,
        issuer_key_hash, state_at)
    select distinct on (private.serial(x ->> 'serialNumber')) p_command.cpo_id, p_command.charger_id, v_kind, 'installed',
        private.serial(x ->> 'serialNumber'), x ->> 'hashAlgorithm', x ->> 'issuerNameHash', x ->> 'issuerKeyHash',
        p_command.answered_at
    from jsonb_array_elements(v_list) as x
    where jsonb_typeof(x) = 'object' and length(x ->> 'serialNumber') between 1 and 64
    on conflict (charger_id, kind, serial_number) do update set hash_algorithm = excluded.hash_algorithm,
        issuer_name_hash = excluded.issuer_name_hash, issuer_key_hash = excluded.issuer_key_hash, state = 'installed',
        state_at = case when t.state = 'installed' then t.state_at else excluded.state_at end;
    update public.certificates set state = 'deleted', state_at = p_command.answered_at
    where charger_id = p_command.charger_id and kind = v_kind and state = 'installed'
      and serial_number not in (select private.serial(x ->> 'serialNumber') from jsonb_array_elements(v_list) as x
                                where jsonb_typeof(x) = 'object' and x ->> 'serialNumber' is not null);
end
$$;

insert into private.answer_reactions values
    ('CertificateSigned', 'private.settle_signed_certificate(public.commands)'),
    ('InstallCertificate', 'private.settle_installed_certificate(public.commands)'),
    ('DeleteCertificate', 'private.settle_deleted_certificate(public.commands)'),
    ('GetInstalledCertificateIds', 'private.settle_listed_certificates(public.commands)');

-- ---------------------------------------------------------------- requests of chargers
-- A request for a certificate waits for the worker. The same one within five minutes is a repeated message.
create function private.receive_certificate_request(p_charger_id text, p_payload jsonb, p_received_at timestamptz)
    returns void
language plpgsql set search_path = '' as $$
declare
    v_csr constant text := left(coalesce(p_payload ->> 'csr', ''), 5500);
    v_digest constant bytea := sha256(convert_to(v_csr, 'UTF8'));
    v_id uuid;
begin
    perform from public.certificate_requests where charger_id = p_charger_id and digest = v_digest
        and received_at > p_received_at - interval '5 minutes';
    if found then
        return;
    end if;
    insert into public.certificate_requests (charger_id, csr, digest, received_at)
    values (p_charger_id, v_csr, v_digest, p_received_at)
    on conflict (charger_id) where state = 'waiting' do update set csr = excluded.csr, digest = excluded.digest,
        received_at = excluded.received_at
    returning id into v_id;
    insert into public.outbox (cpo_id, topic, payload)
    select cpo_id, 'certificate.requested', json_build_object('request_id', v_id) from public.chargers where id = p_charger_id;
end
$$;

insert into private.report_reactions values
    ('SignCertificate', 'private.receive_certificate_request(text, jsonb, timestamptz)');

-- ---------------------------------------------------------------- the authority

-- What the worker must know to judge a request; null when it was settled. `proven`: the charger's present or last
-- socket showed a credential. `signed_today`: certificates signed for it in a day.
create function public.certificate_request(p_request_id uuid) returns json
language sql stable set search_path = '' as $$
    select json_build_object('id', r.id, 'charger_id', r.charger_id, 'csr', r.csr, 'organization', o.name,
        'proven', coalesce(k.security_profile > 0, false),
        'signed_today', (select count(*) from public.certificates t where t.charger_id = c.id
                         and t.kind = 'ChargePointCertificate' and t.created_at > now() - interval '1 day'))
    from public.certificate_requests r
    join public.chargers c on c.id = r.charger_id
    join public.cpos o on o.id = c.cpo_id
    left join public.connections k on k.charger_id = c.id
    where r.id = p_request_id and r.state = 'waiting'
$$;

-- Keeps the signed certificate and sends it; once per request.
create function public.issue_certificate(p_request_id uuid, p_certificate json, p_chain text) returns void
language plpgsql set search_path = '' as $$
declare
    v_charger public.chargers;
    v_command json;
begin
    update public.certificate_requests set state = 'issued' where id = p_request_id and state = 'waiting';
    if not found then
        return;
    end if;
    select c.* into v_charger from public.certificate_requests r join public.chargers c on c.id = r.charger_id
    where r.id = p_request_id;
    v_command := public.enqueue_command(v_charger.id, 'CertificateSigned', jsonb_build_object('certificateChain', p_chain),
        'certificate request ' || p_request_id, true, 86400, 'UNIEV');
    perform public.keep_certificate(v_charger.id, p_certificate, 'issued', (v_command ->> 'id')::uuid);
end
$$;

create function public.refuse_certificate(p_request_id uuid, p_reason text) returns void
language plpgsql set search_path = '' as $$
declare
    v_charger_id text;
begin
    update public.certificate_requests set state = 'refused', reason = p_reason
    where id = p_request_id and state = 'waiting' returning charger_id into v_charger_id;
    if found then
        perform private.note_security(v_charger_id, 'CertificateRequestRefused', p_reason);
    end if;
end
$$;

-- {kind, serial_number, subject, issuer, not_before, not_after, fingerprint, hash_algorithm, issuer_name_hash,
-- issuer_key_hash, pem}
create function public.keep_certificate(p_charger_id text, p_certificate json, p_state text, p_command_id uuid) returns void
language sql set search_path = '' as $$
    insert into public.certificates as t (cpo_id, charger_id, kind, state, serial_number, subject, issuer, not_before,
        not_after, fingerprint, hash_algorithm, issuer_name_hash, issuer_key_hash, pem, command_id)
    select c.cpo_id, c.id, x.kind, p_state, private.serial(x.serial_number), x.subject, x.issuer, x.not_before, x.not_after,
        x.fingerprint, x.hash_algorithm, x.issuer_name_hash, x.issuer_key_hash, x.pem, p_command_id
    from json_to_record(p_certificate) as x(kind text, serial_number text, subject text, issuer text,
        not_before timestamptz, not_after timestamptz, fingerprint text, hash_algorithm text, issuer_name_hash text,
        issuer_key_hash text, pem text), public.chargers c
    where c.id = p_charger_id
    on conflict (charger_id, kind, serial_number) do update set state = excluded.state, subject = excluded.subject,
        issuer = excluded.issuer, not_before = excluded.not_before, not_after = excluded.not_after,
        fingerprint = excluded.fingerprint, hash_algorithm = excluded.hash_algorithm,
        issuer_name_hash = excluded.issuer_name_hash, issuer_key_hash = excluded.issuer_key_hash, pem = excluded.pem,
        command_id = excluded.command_id, state_at = now()
    where t.command_id is distinct from excluded.command_id and t.state <> 'revoked'
$$;

-- From now on the gate refuses it, and the sockets that came with it are closed.
create function public.revoke_certificate(p_certificate_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
    v_certificate public.certificates;
begin
    update public.certificates set state = 'revoked', state_at = now()
    where id = p_certificate_id and kind = 'ChargePointCertificate' and state <> 'revoked' returning * into v_certificate;
    if found then
        perform private.note_security(v_certificate.charger_id, 'CertificateRevoked',
                                      'Serial number ' || v_certificate.serial_number || '.');
    end if;
end
$$;

revoke execute on function private.settle_signed_certificate(public.commands),
    private.settle_installed_certificate(public.commands), private.serial(text),
    private.settle_deleted_certificate(public.commands),
    private.settle_listed_certificates(public.commands),
    private.receive_certificate_request(text, jsonb, timestamptz),
    public.certificate_request(uuid), public.issue_certificate(uuid, json, text),
    public.refuse_certificate(uuid, text),
    public.keep_certificate(text, json, text, uuid), public.revoke_certificate(uuid) from public;
grant execute on function private.settle_signed_certificate(public.commands),
    private.settle_installed_certificate(public.commands), private.serial(text),
    private.settle_deleted_certificate(public.commands),
    private.settle_listed_certificates(public.commands),
    private.receive_certificate_request(text, jsonb, timestamptz),
    public.certificate_request(uuid), public.issue_certificate(uuid, json, text),
    public.refuse_certificate(uuid, text),
    public.keep_certificate(text, json, text, uuid), public.revoke_certificate(uuid) to service_role;
