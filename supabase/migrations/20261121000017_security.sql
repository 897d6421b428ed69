-- Security profiles 0–3 (security whitepaper edition 3): which credentials a charger may come with, how they change
-- without locking it out, its certificates, and what happened around them.

-- ---------------------------------------------------------------- what the gate must know

-- `security_profile`: the least that is asked of the charger (0 nothing, 1 password, 2 TLS and password, 3 TLS and client
-- certificate); a password that is set is asked for in any case. `wanted_profile`: asked of the charger, not yet used.
alter table public.chargers
    add column security_profile smallint not null default 0 check (security_profile between 0 and 3),
    add column wanted_profile smallint check (wanted_profile between 1 and 3),
    add column wanted_profile_state text
        check (wanted_profile_state in ('asked', 'accepted', 'rejected', 'failed', 'timed_out')),
    add column wanted_profile_at timestamptz,
    add column wanted_profile_command_id uuid,
    add column has_password boolean generated always as (password_hash is not null) stored,
    add column password_changed_at timestamptz,
    add constraint chargers_profile_has_password check (security_profile not in (1, 2) or password_hash is not null);
grant select (security_profile, wanted_profile, wanted_profile_state, wanted_profile_at, wanted_profile_command_id,
    has_password, password_changed_at) on public.chargers to authenticated;

-- What the newest socket proved.
alter table public.connections
    add column security_profile smallint,
    add column certificate_id uuid;

-- Passwords on their way to a charger, or there already: valid beside the present one until the charger uses one of
-- them. `id` is that of the command. There may be several: each may have arrived though its answer was lost.
create table public.charger_keys (
    id uuid primary key,
    seq bigint generated always as identity,
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    password_hash text not null,
    sent_at timestamptz not null default now(),
    accepted_at timestamptz
);
create index charger_keys_charger on public.charger_keys (charger_id, seq);
call private.protect('public.charger_keys', array[]::text[]);
grant select, insert, update, delete on public.charger_keys to service_role;
grant select (id, cpo_id, charger_id, sent_at, accepted_at) on public.charger_keys to authenticated;

-- A charger's certificates: its own, signed by the platform's authority, and the roots that it was given.
create table public.certificates (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    kind text not null
        check (kind in ('ChargePointCertificate', 'CentralSystemRootCertificate', 'ManufacturerRootCertificate')),
    -- issued: signed, the charger has not confirmed it; its use confirms it, too.
    state text not null check (state in ('issued', 'installed', 'rejected', 'deleted', 'revoked')),
    serial_number text not null,            -- hexadecimal, lower case, no leading zeros
    subject text,
    issuer text,
    not_before timestamptz,
    not_after timestamptz,
    fingerprint text,                       -- SHA-256 of the DER form, hexadecimal
    hash_algorithm text,                    -- the names by which the charger knows it (CertificateHashDataType)
    issuer_name_hash text,
    issuer_key_hash text,
    pem text,
    command_id uuid,                        -- that brought it to the charger
    created_at timestamptz not null default now(),
    state_at timestamptz not null default now(),
    last_used_at timestamptz,
    renewal_asked_at timestamptz,
    unique (charger_id, kind, serial_number)
);
create index certificates_cpo on public.certificates (cpo_id, charger_id);
create index certificates_command on public.certificates (command_id);
create index certificates_expiry on public.certificates (not_after) where kind = 'ChargePointCertificate';
call private.protect('public.certificates', array[]::text[]);
grant select, insert, update, delete on public.certificates to service_role;
grant select on public.certificates to authenticated;

-- Security events of the whitepaper's list that are critical; any other is kept, too.
create table private.critical_security_events (type text primary key);
grant select on private.critical_security_events to service_role;
insert into private.critical_security_events values ('FirmwareUpdated'), ('SettingSystemTime'), ('StartupOfTheDevice'),
    ('ResetOrReboot'), ('SecurityLogWasCleared'), ('MemoryExhaustion'), ('TamperDetectionActivated');

create table public.security_events (
    id bigint generated always as identity primary key,
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    source text not null check (source in ('charger', 'platform')),
    type text not null,
    tech_info text,
    critical boolean not null,
    reported_at text not null,              -- the charger's own time, as it wrote it
    happened_at timestamptz not null,       -- that time, or the arrival if it cannot be read
    received_at timestamptz not null
);
create unique index security_events_once on public.security_events (charger_id, type, reported_at, tech_info)
    nulls not distinct;
create index security_events_charger on public.security_events (charger_id, id desc);
create index security_events_cpo on public.security_events (cpo_id, id desc);
call private.protect('public.security_events', array[]::text[]);
grant select, insert, update, delete on public.security_events to service_role;
grant select on public.security_events to authenticated;

-- Handshakes refused for wrong credentials: counters, so that a flood stays a few rows.
create table public.gate_refusals (
    charger_id text not null references public.chargers (id) on delete cascade,
    reason text not null check (reason in ('password', 'certificate', 'tls')),
    node text not null,
    cpo_id uuid references public.cpos (id),
    refused_count bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    last_address text,
    primary key (charger_id, reason, node)
);
create index gate_refusals_cpo on public.gate_refusals (cpo_id);
call private.protect('public.gate_refusals', array[]::text[]);
grant select, insert, update, delete on public.gate_refusals to service_role;
grant select on public.gate_refusals to authenticated;

-- What the platform itself has to say about a charger's security.
create function private.note_security(p_charger_id text, p_type text, p_info text) returns void
language sql set search_path = '' as $$
    insert into public.security_events (cpo_id, charger_id, source, type, tech_info, critical, reported_at, happened_at,
        received_at)
    select cpo_id, id, 'platform', p_type, left(p_info, 255), false, clock_timestamp()::text, now(), now()
    from public.chargers where id = p_charger_id
    on conflict do nothing
$$;

-- Facts the gate needs of each identity: [{charger_id, fingerprint}] -> [{cpo_id, registration, password_hash,
-- pending_hashes, security_profile, certificate_id} | null]. `certificate_id`: of the certificate with that
-- fingerprint, if it is this charger's, valid, and not revoked.
create or replace function private.gate_chargers(p_rows json) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(
        case when c.id is null then null else json_build_object(
            'cpo_id', c.cpo_id, 'registration', c.registration, 'password_hash', c.password_hash,
            'security_profile', c.security_profile,
            'pending_hashes', (select coalesce(json_agg(k.password_hash order by k.seq), '[]')
                               from public.charger_keys k where k.charger_id = c.id),
            'certificate_id', (select t.id from public.certificates t
                               where t.charger_id = c.id and t.fingerprint = r.fingerprint
                                 and t.kind = 'ChargePointCertificate' and t.state in ('issued', 'installed')
                                 and now() between t.not_before and t.not_after)) end
        order by r.position), '[]')
    from (select value ->> 'charger_id' as charger_id, value ->> 'fingerprint' as fingerprint, ordinality as position
          from json_array_elements(p_rows) with ordinality) r
    left join public.chargers c on c.id = r.charger_id
$$;

-- ---------------------------------------------------------------- passwords

-- A password set past the rotation (by hand) ends what is on its way; one that a profile asks for cannot be taken away.
-- Runs as its owner: whoever may change the charger may not read the keys.
create function private.keep_password() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if new.password_hash is null and new.security_profile in (1, 2) then
        raise exception using errcode = 'P0001', hint = 'security_profile_conflict',
            message = 'The charger''s security profile asks for a password.';
    end if;
    if new.password_hash is distinct from old.password_hash then
        new.password_changed_at := now();
        if not exists (select from public.charger_keys
                       where charger_id = new.id and password_hash = new.password_hash) then
            delete from public.charger_keys where charger_id = new.id;
        end if;
    end if;
    return new;
end
$$;
revoke execute on function private.keep_password() from public;
create trigger keep_password before update of password_hash, security_profile on public.chargers
    for each row execute function private.keep_password();

-- Called before the frame with a new password leaves: from then on it is valid beside the present one.
-- False: the command is not to be sent any more.
create function public.expect_password(p_command_id uuid, p_password_hash text) returns boolean
language plpgsql set search_path = '' as $$
begin
    insert into public.charger_keys (id, cpo_id, charger_id, password_hash)
    select m.id, m.cpo_id, m.charger_id, p_password_hash from public.commands m
    where m.id = p_command_id and m.status = 'sent'
    on conflict (id) do nothing;
    return exists (select from public.charger_keys where id = p_command_id and password_hash = p_password_hash);
end
$$;

-- The sockets that opened, and what they proved: rows of `open_connections` with security_profile, password_hash (the
-- stored one that matched) and certificate_id. A new password that was used replaces those before it; one sent later
-- stays valid, for the charger may hold it already. A wanted profile that was used is the least from now on.
create function private.note_credentials(p_rows json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    update public.connections k set security_profile = x.security_profile, certificate_id = x.certificate_id
    from json_to_recordset(p_rows) as x(connection_id uuid, charger_id text, security_profile smallint, certificate_id uuid)
    where k.charger_id = x.charger_id and k.connection_id = x.connection_id
      and (k.security_profile, k.certificate_id) is distinct from (x.security_profile, x.certificate_id);
    for r in
        select k.charger_id, k.password_hash, k.seq
        from json_to_recordset(p_rows) as x(charger_id text, password_hash text)
        join public.charger_keys k on k.charger_id = x.charger_id and k.password_hash = x.password_hash
        order by k.seq
    loop
        update public.chargers set password_hash = r.password_hash, updated_at = now() where id = r.charger_id;
        delete from public.charger_keys where charger_id = r.charger_id and seq <= r.seq;
        perform private.note_security(r.charger_id, 'PasswordChanged', 'The charger uses its new password.');
    end loop;
    for r in
        update public.chargers c set security_profile = c.wanted_profile, wanted_profile = null,
            wanted_profile_state = null, wanted_profile_at = now(), wanted_profile_command_id = null, updated_at = now()
        from json_to_recordset(p_rows) as x(charger_id text, security_profile smallint)
        where c.id = x.charger_id and c.wanted_profile <= x.security_profile
          and c.wanted_profile > c.security_profile and c.wanted_profile_state <> 'rejected'
          and (c.wanted_profile = 3 or c.password_hash is not null)
        returning c.id, c.security_profile
    loop
        perform private.note_security(r.id, 'SecurityProfileRaised', 'The charger uses profile ' || r.security_profile || '.');
    end loop;
    update public.certificates t set last_used_at = x.at, state = 'installed',
        state_at = case when t.state = 'installed' then t.state_at else x.at end
    from json_to_recordset(p_rows) as x(certificate_id uuid, at timestamptz)
    where t.id = x.certificate_id and t.state in ('issued', 'installed')
      and (t.state = 'issued' or t.last_used_at is null or t.last_used_at < x.at - interval '1 hour');
end
$$;

-- The door of sockets keeps its name and what it did, and takes the credentials besides.
alter function private.open_connections(json) rename to keep_connections;
create function private.open_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.keep_connections(p_rows);
    perform private.note_credentials(p_rows);
end
$$;

-- Sockets that must be closed: their charger is registered no more, or the certificate they came with was revoked.
create or replace function public.touch_connections(p_node text, p_charger_ids json, p_at timestamptz) returns json
language sql set search_path = '' as $$
    with free as (
        select k.charger_id from json_array_elements_text(p_charger_ids) as t(charger_id)
        join public.connections k on k.charger_id = t.charger_id and k.node = p_node and k.disconnected_at is null
        for no key update of k skip locked
    ), touched as (
        update public.connections k set last_seen_at = p_at from free where k.charger_id = free.charger_id)
    select coalesce(json_agg(t.charger_id), '[]') from json_array_elements_text(p_charger_ids) as t(charger_id)
    where not exists (select 1 from public.chargers c where c.id = t.charger_id)
       or exists (select 1 from public.connections k join public.certificates r on r.id = k.certificate_id
                  where k.charger_id = t.charger_id and k.node = p_node and r.state = 'revoked')
$$;

-- [{charger_id, reason, node, refused_count, first_at, last_at, last_address}]: since the last call of that node. A
-- repeated call has no later last_at, and counts nothing twice.
create function public.record_refusals(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.gate_refusals as g (charger_id, reason, node, cpo_id, refused_count, first_at, last_at, last_address)
    select c.id, x.reason, x.node, c.cpo_id, x.refused_count, x.first_at, x.last_at, x.last_address
    from json_to_recordset(p_rows) as x(charger_id text, reason text, node text, refused_count bigint,
                                        first_at timestamptz, last_at timestamptz, last_address text)
    join public.chargers c on c.id = x.charger_id
    on conflict (charger_id, reason, node) do update set refused_count = g.refused_count + excluded.refused_count,
        last_at = excluded.last_at, last_address = excluded.last_address
    where g.last_at < excluded.last_at
$$;

-- ---------------------------------------------------------------- answers to commands

-- Several nouns may react to the same action.
alter table private.answer_reactions drop constraint answer_reactions_pkey;
alter table private.answer_reactions add primary key (action, reaction);

-- The answer to a sent command. A second or late answer changes nothing.
drop function public.settle_command(uuid, text, jsonb, text, text, boolean, text);
create function public.settle_command(p_id uuid, p_status text, p_response jsonb, p_error_code text,
    p_error_description text, p_expects_effect boolean) returns void
language plpgsql set search_path = '' as $$
declare
    command public.commands;
    v_reaction regprocedure;
begin
    update public.commands set status = p_status, answered_at = clock_timestamp(), response = p_response,
        error_code = p_error_code, error_description = p_error_description,
        effect = case when effect = 'observed' then effect
                      when p_status = 'accepted' and p_expects_effect then 'pending' else 'none' end
    -- The clock gives up on commands whose server seems to have died; an answer that could not be stored till now counts.
    where id = p_id and (status = 'sent' or status = 'timed_out' and answered_at is null) returning * into command;
    if not found then
        return;
    end if;
    for v_reaction in select reaction from private.answer_reactions where action = command.action order by reaction::text loop
        execute format('select %s($1)', v_reaction::regproc) using command;
    end loop;
end
$$;

-- AuthorizationKey: only a clear no takes the new password back; a lost answer proves nothing.
-- SecurityProfile: the charger's word is noted; what counts is the profile it comes back with.
create function private.settle_credentials(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    v_profile smallint;
begin
    if p_command.payload ->> 'key' = 'AuthorizationKey' then
        delete from public.charger_keys where id = p_command.id and (p_command.status = 'rejected'
            or p_command.status = 'failed' and p_command.error_code in ('NotImplemented', 'NotSupported'));
        update public.charger_keys set accepted_at = p_command.answered_at
        where id = p_command.id and p_command.status = 'accepted';
    elsif p_command.payload ->> 'key' = 'SecurityProfile' and p_command.payload ->> 'value' ~ '^[1-3]$' then
        v_profile := (p_command.payload ->> 'value')::smallint;
        update public.chargers set wanted_profile = v_profile, wanted_profile_state = p_command.status,
            wanted_profile_at = p_command.answered_at, wanted_profile_command_id = p_command.id
        where id = p_command.charger_id and v_profile > security_profile
          and (p_command.status = 'accepted' or wanted_profile_command_id = p_command.id);
    end if;
end
$$;

insert into private.answer_reactions values
    ('ChangeConfiguration', 'private.settle_credentials(public.commands)');

-- ---------------------------------------------------------------- security events

-- A time that a charger wrote, null if it cannot be read.
create function private.readable_time(p_text text) returns timestamptz
language plpgsql stable set search_path = '' set timezone = 'UTC' as $$
begin
    return p_text::timestamptz;
exception when others then
    return null;
end
$$;

create function private.record_security_event(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
language sql set search_path = '' as $$
    insert into public.security_events (cpo_id, charger_id, source, type, tech_info, critical, reported_at, happened_at,
        received_at)
    select c.cpo_id, c.id, 'charger', e.type, left(p_payload ->> 'techInfo', 255),
        exists (select from private.critical_security_events k where k.type = e.type),
        left(coalesce(p_payload ->> 'timestamp', ''), 64),
        coalesce(private.readable_time(p_payload ->> 'timestamp'), p_received_at), p_received_at
    from public.chargers c, (select left(coalesce(p_payload ->> 'type', ''), 50) as type) e
    where c.id = p_charger_id
    on conflict do nothing
$$;

insert into private.report_reactions values
    ('SecurityEventNotification', 'private.record_security_event(text, jsonb, timestamptz)');

revoke execute on function private.note_security(text, text, text), public.expect_password(uuid, text),
    private.note_credentials(json), private.open_connections(json),
    public.record_refusals(json),
    public.settle_command(uuid, text, jsonb, text, text, boolean),
    private.settle_credentials(public.commands), private.readable_time(text),
    private.record_security_event(text, jsonb, timestamptz) from public;
grant execute on function private.note_security(text, text, text), public.expect_password(uuid, text),
    private.note_credentials(json), private.open_connections(json),
    public.record_refusals(json),
    public.settle_command(uuid, text, jsonb, text, text, boolean),
    private.settle_credentials(public.commands), private.readable_time(text),
    private.record_security_event(text, jsonb, timestamptz) to service_role;
