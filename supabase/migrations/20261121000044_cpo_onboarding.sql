-- How a company becomes a CPO: an e-mail address proven by a code, what it states, documents, and the EMSV's decision.
-- The rules stand in backend/domain/onboarding.py; here each step is one transaction with its history and its mail.

-- Addresses that asked for a code, each with the newest one. Nothing tells from outside whether an address is known: every
-- address may ask, and is answered alike. A code is kept as an HMAC under UNIEV_SECRET_KEY.
create table public.cpo_registrations (
    email text primary key check (email = lower(email)),
    details jsonb not null,            -- what the first form said: company, contact_name, language
    code_hash text,                    -- null: used up, or guessed at too often
    code_expires_at timestamptz not null,
    failures integer not null default 0,
    sent_at timestamptz[] not null default '{}'  -- of the last hour
);
alter table public.cpo_registrations enable row level security;  -- no policy: the platform alone
grant select, insert, update, delete on public.cpo_registrations to service_role;

-- One application per address; its `cpo_id` is that of the CPO which it may become.
create table public.cpo_applications (
    cpo_id uuid primary key default gen_random_uuid(),
    email text not null unique check (email = lower(email)),
    contact_name text not null,
    language text not null default 'id' check (language in ('id', 'en')),
    state text not null default 'draft' check (state in ('draft', 'submitted', 'questioned', 'refused', 'active',
        'suspended', 'closed')),
    company text not null check (length(company) between 1 and 120),  -- name of the CPO to be
    nib text check (nib ~ '^\d{13}$'),
    npwp text check (npwp ~ '^\d{15,16}$'),
    address text,
    phone text,
    bank_name text,
    bank_account text,
    bank_holder text,
    spklu_numbers text[] not null default '{}',
    checklist text[] not null default '{}',  -- what the EMSV has ticked
    revision integer not null default 1,     -- raised by each step
    submitted_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index cpo_applications_queue on public.cpo_applications (state, submitted_at, cpo_id);

-- What happened, oldest first: shown to the applicant and to the EMSV.
create table public.cpo_steps (
    id uuid primary key,
    cpo_id uuid not null,  -- a CPO that never applied can be suspended, too
    at timestamptz not null default clock_timestamp(),
    step text not null,
    state text not null,               -- to which it led
    message text,                      -- question, answer, reason
    party text not null check (party in ('applicant', 'emsv')),
    actor_name text not null
);
create index cpo_steps_cpo on public.cpo_steps (cpo_id, at);

create table public.cpo_documents (
    id uuid primary key,
    cpo_id uuid not null references public.cpo_applications (cpo_id) on delete cascade,
    kind text not null check (kind in ('nib', 'npwp', 'bank_account', 'spklu')),
    name text not null,
    media_type text not null,
    size_bytes integer not null,
    sha256 text not null,
    content_name text not null,
    created_at timestamptz not null default clock_timestamp()
);
create index cpo_documents_cpo on public.cpo_documents (cpo_id, created_at);

-- An applicant has no login: the code buys a token for some hours.
create table public.cpo_applicant_tokens (
    token_hash text primary key,
    application_id uuid not null references public.cpo_applications (cpo_id) on delete cascade,
    expires_at timestamptz not null
);
create index cpo_applicant_tokens_application on public.cpo_applicant_tokens (application_id);
alter table public.cpo_applicant_tokens enable row level security;  -- no policy: the platform alone
grant select, insert, update, delete on public.cpo_applicant_tokens to service_role;

-- Read by the EMSV's administrators and finance and by the CPO's own administrators; written by the functions below alone.
do $$
declare
    guarded text;
begin
    foreach guarded in array array['cpo_applications', 'cpo_steps', 'cpo_documents'] loop
        execute format('alter table public.%I enable row level security', guarded);
        execute format($policy$create policy tenant_reads on public.%I for select to authenticated using (
            (select private.role()) in ('emsv_admin', 'emsv_finance') or (cpo_id = (select private.cpo_id()) and (select private.role()) = 'cpo_admin'))$policy$,
            guarded);
        execute format('grant select, insert, update, delete on public.%I to service_role', guarded);
        execute format('grant select on public.%I to authenticated', guarded);
    end loop;
end
$$;

-- ---------------------------------------------------------------- the address

-- A new code for an address, mailed. `p_mails`: {code, known}; one who has a login already is told that instead. Beyond
-- p_most codes in an hour nothing is sent and nothing changes. Always the same answer: none.
create function public.request_cpo_code(p_email text, p_details jsonb, p_code_hash text, p_life_s integer, p_most integer,
    p_mails jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    asked public.cpo_registrations;
    recent timestamptz[];
begin
    insert into public.cpo_registrations (email, details, code_expires_at) values (p_email, p_details, now())
    on conflict (email) do nothing;
    select * into asked from public.cpo_registrations where email = p_email for update;
    if asked.code_hash = p_code_hash then
        return;  -- the answer to the first was lost on the way
    end if;
    recent := array(select t from unnest(asked.sent_at) as t where t > now() - interval '1 hour');
    if cardinality(recent) >= p_most then
        return;
    end if;
    perform from public.users where email = p_email and not exists (
        select 1 from public.cpo_applications a where a.email = p_email);
    if found then
        update public.cpo_registrations set sent_at = recent || now() where email = p_email;
        perform private.queue_mail(p_mails -> 'known');
        return;
    end if;
    update public.cpo_registrations set sent_at = recent || now(), code_hash = p_code_hash, failures = 0,
        code_expires_at = now() + make_interval(secs => p_life_s),
        details = case when p_details ? 'company' then p_details else details end
    where email = p_email;
    perform private.queue_mail(p_mails -> 'code');
end
$$;

-- The application of an address whose code is right: {cpo_id}; made with the first right code. The code is used up then;
-- after p_most_failures wrong ones it is, too. Null, all alike, for an unknown address, no code, an old one, a wrong one
-- (no error: that would take the count of failures back).
create function public.prove_cpo_code(p_email text, p_code_hash text, p_most_failures integer, p_token_hash text,
    p_token_life_s integer, p_cpo_id uuid) returns json
language plpgsql set search_path = '' as $$
declare
    asked public.cpo_registrations;
    application public.cpo_applications;
begin
    select a.* into application from public.cpo_applications a
    join public.cpo_applicant_tokens t on t.application_id = a.cpo_id
    where t.token_hash = p_token_hash and a.email = p_email;
    if found then
        return json_build_object('cpo_id', application.cpo_id);
    end if;
    select * into asked from public.cpo_registrations where email = p_email for update;
    if asked.code_hash is null or asked.code_expires_at <= now() or asked.code_hash <> p_code_hash then
        update public.cpo_registrations set failures = failures + 1,
            code_hash = case when failures + 1 >= p_most_failures then null else code_hash end
        where email = p_email;
        return null;
    end if;
    update public.cpo_registrations set code_hash = null where email = p_email;
    insert into public.cpo_applications (cpo_id, email, contact_name, language, company)
    select p_cpo_id, p_email, d.contact_name, d.language, d.company
    from jsonb_to_record(asked.details) as d(contact_name text, language text, company text)
    on conflict (email) do nothing;
    select * into application from public.cpo_applications where email = p_email;
    insert into public.cpo_applicant_tokens (token_hash, application_id, expires_at)
    values (p_token_hash, application.cpo_id, now() + make_interval(secs => p_token_life_s));
    return json_build_object('cpo_id', application.cpo_id);
end
$$;

-- Whose token it is: {cpo_id, email, contact_name}; null for one that is unknown or has run out.
create function public.cpo_applicant(p_token_hash text) returns json
language sql stable set search_path = '' as $$
    select json_build_object('cpo_id', a.cpo_id, 'email', a.email, 'contact_name', a.contact_name)
    from public.cpo_applicant_tokens t join public.cpo_applications a on a.cpo_id = t.application_id
    where t.token_hash = p_token_hash and t.expires_at > now()
$$;

-- ---------------------------------------------------------------- what is stated, and documents

create function private.open_application(p_cpo_id uuid) returns public.cpo_applications
language plpgsql set search_path = '' as $$
declare
    application public.cpo_applications;
begin
    select * into application from public.cpo_applications where cpo_id = p_cpo_id for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such application.', hint = 'application_not_found';
    end if;
    if application.state not in ('draft', 'questioned') then
        raise exception using errcode = 'P0001', hint = 'step_conflict',
            message = 'The application lies with the EMSV: nothing can be changed now.';
    end if;
    return application;
end
$$;

-- Errors: application_not_found, step_conflict.
create function public.state_cpo(p_cpo_id uuid, p_stated jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    perform private.open_application(p_cpo_id);
    update public.cpo_applications a set company = s.company, contact_name = s.contact_name, language = s.language,
        nib = s.nib, npwp = s.npwp, address = s.address, phone = s.phone, bank_name = s.bank_name,
        bank_account = s.bank_account, bank_holder = s.bank_holder, spklu_numbers = coalesce(s.spklu_numbers, '{}'),
        updated_at = now()
    from jsonb_populate_record((select b from public.cpo_applications b where b.cpo_id = p_cpo_id), p_stated) s
    where a.cpo_id = p_cpo_id;
end
$$;

-- The same id is one document. Errors: application_not_found, step_conflict, documents_conflict (too many).
create function public.add_cpo_document(p_document jsonb, p_most integer) returns void
language plpgsql set search_path = '' as $$
declare
    v_cpo_id constant uuid := (p_document ->> 'cpo_id')::uuid;
begin
    perform from public.cpo_documents where id = (p_document ->> 'id')::uuid;
    if found then
        return;
    end if;
    perform private.open_application(v_cpo_id);
    if (select count(*) from public.cpo_documents where cpo_id = v_cpo_id) >= p_most then
        raise exception using errcode = 'P0001', hint = 'documents_conflict',
            message = 'There are too many documents; delete one first.';
    end if;
    insert into public.cpo_documents (id, cpo_id, kind, name, media_type, size_bytes, sha256, content_name)
    select d.id, d.cpo_id, d.kind, d.name, d.media_type, d.size_bytes, d.sha256, d.content_name
    from jsonb_populate_record(null::public.cpo_documents, p_document) d;
end
$$;

-- Returns the name of the content, which may be deleted now; null if there was none.
create function public.drop_cpo_document(p_cpo_id uuid, p_document_id uuid) returns text
language plpgsql set search_path = '' as $$
declare
    content text;
begin
    perform private.open_application(p_cpo_id);
    delete from public.cpo_documents where id = p_document_id and cpo_id = p_cpo_id returning content_name into content;
    return content;
end
$$;

revoke execute on function public.request_cpo_code(text, jsonb, text, integer, integer, jsonb),
    public.prove_cpo_code(text, text, integer, text, integer, uuid), public.cpo_applicant(text),
    private.open_application(uuid), public.state_cpo(uuid, jsonb), public.add_cpo_document(jsonb, integer),
    public.drop_cpo_document(uuid, uuid) from public;
grant execute on function public.request_cpo_code(text, jsonb, text, integer, integer, jsonb),
    public.prove_cpo_code(text, text, integer, text, integer, uuid), public.cpo_applicant(text),
    private.open_application(uuid), public.state_cpo(uuid, jsonb), public.add_cpo_document(jsonb, integer),
    public.drop_cpo_document(uuid, uuid) to service_role;
