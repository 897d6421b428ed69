-- Firmware and logs: files of firmware, jobs that bring it to chargers, jobs that fetch logs. A job begins with its
-- command, whichever door asked; what the charger reports of it moves it on. Links are one-time: only their hash is kept.

create sequence public.job_request_id as integer cycle;
grant usage on sequence public.job_request_id to authenticated, service_role;

create table public.firmware_files (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid not null references public.cpos (id),
    name text not null,               -- for people; the content lies under content_name
    vendor text,
    model text,
    version text not null,
    size_bytes bigint not null,
    sha256 text not null,
    content_name text not null unique,
    uploaded_by_name text,
    created_at timestamptz not null default now()
);
create index firmware_files_cpo on public.firmware_files (cpo_id, created_at desc, id desc);
create index firmware_files_newest on public.firmware_files (created_at desc, id desc);

create table public.firmware_jobs (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    command_id uuid not null unique references public.commands (id) on delete cascade,
    signed boolean not null,
    request_id bigint,
    firmware_file_id uuid references public.firmware_files (id) on delete set null,
    location text,
    retrieve_at timestamptz,
    status text not null default 'queued' check (status in ('queued', 'accepted', 'downloading', 'downloaded', 'installing',
        'installed', 'failed', 'rejected', 'timed_out', 'expired', 'replaced')),
    reported text,                    -- the charger's own last word
    progress jsonb not null default '[]',  -- [{at, status}] in the charger's words
    error text,
    version_before text,
    version_wanted text,
    version_after text,
    effect text not null default 'none' check (effect in ('none', 'pending', 'observed', 'no_effect')),
    effect_at timestamptz,            -- the boot that told the new version
    token_hash text unique,
    link_expires_at timestamptz,
    fetches integer not null default 0,
    fetched_at timestamptz,
    deadline_at timestamptz not null,
    requested_by_name text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index firmware_jobs_charger on public.firmware_jobs (charger_id, created_at desc, id desc);
create index firmware_jobs_cpo on public.firmware_jobs (cpo_id);
create index firmware_jobs_file on public.firmware_jobs (firmware_file_id);
create index firmware_jobs_open on public.firmware_jobs (deadline_at)
    where status in ('queued', 'accepted', 'downloading', 'downloaded', 'installing') or effect = 'pending';

create table public.log_jobs (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    command_id uuid not null unique references public.commands (id) on delete cascade,
    kind text not null check (kind in ('diagnostics', 'diagnostics_log', 'security_log')),
    request_id bigint,
    location text,
    from_at timestamptz,
    to_at timestamptz,
    status text not null default 'queued' check (status in ('queued', 'accepted', 'uploading', 'uploaded', 'nothing',
        'failed', 'rejected', 'timed_out', 'expired', 'replaced')),
    reported text,
    progress jsonb not null default '[]',
    error text,
    token_hash text unique,
    link_expires_at timestamptz,
    file_name text,                   -- as the charger calls it
    size_bytes bigint,
    sha256 text,
    content_name text unique,
    received_at timestamptz,
    deadline_at timestamptz not null,
    requested_by_name text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index log_jobs_charger on public.log_jobs (charger_id, created_at desc, id desc);
create index log_jobs_cpo on public.log_jobs (cpo_id);
create index log_jobs_open on public.log_jobs (deadline_at) where status in ('queued', 'accepted', 'uploading', 'nothing');

-- Whoever could write here would choose whose content is read: the platform alone writes.
call private.protect('public.firmware_files', array[]::text[]);
call private.protect('public.firmware_jobs', array[]::text[]);
call private.protect('public.log_jobs', array[]::text[]);
grant select, insert, update, delete on public.firmware_files, public.firmware_jobs, public.log_jobs to service_role;
grant select on public.firmware_files, public.firmware_jobs, public.log_jobs to authenticated;

-- ---------------------------------------------------------------- the beginning

-- As before, and without the secret part of our own links.
create or replace function private.shown_payload(p_action text, p_payload jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select case when p_action = 'ChangeConfiguration' and p_payload ->> 'key' ~* 'authorizationkey|password|secret'
                then p_payload || '{"value": "***"}'
                when p_action in ('UpdateFirmware', 'SignedUpdateFirmware', 'GetDiagnostics', 'GetLog')
                then regexp_replace(p_payload::text, '(/files/(firmware|uploads)/)[\w-]{16,}', '\1***', 'g')::jsonb
                else p_payload end
$$;

create function private.read_time(p_text text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
    return p_text::timestamptz;
exception when others then
    return null;
end
$$;

-- Every command that moves a file has a job. Runs as its owner: people may ask, but not write jobs.
create function private.open_job() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    shown jsonb := private.shown_payload(new.action, new.payload);
    v_request bigint := case when shown ->> 'requestId' ~ '^-?\d{1,18}$' then (shown ->> 'requestId')::bigint end;
    v_retrieve timestamptz := private.read_time(coalesce(shown ->> 'retrieveDate', shown #>> '{firmware,retrieveDateTime}'));
begin
    if new.action in ('UpdateFirmware', 'SignedUpdateFirmware') then
        insert into public.firmware_jobs (cpo_id, charger_id, command_id, signed, request_id, location, retrieve_at,
            version_before, deadline_at, requested_by_name)
        select new.cpo_id, new.charger_id, new.id, new.action = 'SignedUpdateFirmware', v_request,
            coalesce(shown ->> 'location', shown #>> '{firmware,location}'), v_retrieve, c.firmware_version,
            least(greatest(v_retrieve, new.expires_at, now()), now() + interval '1 year') + interval '24 hours',
            new.requested_by_name
        from public.chargers c where c.id = new.charger_id;
    else
        insert into public.log_jobs (cpo_id, charger_id, command_id, kind, request_id, location, from_at, to_at,
            deadline_at, requested_by_name)
        values (new.cpo_id, new.charger_id, new.id, case when new.action = 'GetDiagnostics' then 'diagnostics'
                when shown ->> 'logType' = 'SecurityLog' then 'security_log' else 'diagnostics_log' end, v_request,
            coalesce(shown ->> 'location', shown #>> '{log,remoteLocation}'),
            private.read_time(coalesce(shown ->> 'startTime', shown #>> '{log,oldestTimestamp}')),
            private.read_time(coalesce(shown ->> 'stopTime', shown #>> '{log,latestTimestamp}')),
            new.expires_at + interval '6 hours', new.requested_by_name);
    end if;
    return null;
end
$$;
create trigger open_job after insert on public.commands for each row
    when (new.action in ('UpdateFirmware', 'SignedUpdateFirmware', 'GetDiagnostics', 'GetLog'))
    execute function private.open_job();

-- What the platform adds to a job of its own making. Runs as its owner, see above.
create function private.equip_job(p_command_id uuid, p_facts jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
    update public.firmware_jobs j set firmware_file_id = f.id, version_wanted = f.version
    from public.firmware_files f
    where j.command_id = p_command_id and f.id = (p_facts ->> 'firmware_file_id')::uuid and f.cpo_id = j.cpo_id;
    update public.firmware_jobs set token_hash = p_facts ->> 'token_hash',
        link_expires_at = (p_facts ->> 'link_expires_at')::timestamptz
    where command_id = p_command_id and firmware_file_id is not null;
    update public.log_jobs set token_hash = p_facts ->> 'token_hash',
        link_expires_at = (p_facts ->> 'link_expires_at')::timestamptz
    where command_id = p_command_id and p_facts ? 'token_hash';
end
$$;

-- Command, job and link at once; returns the job's id. The same key from the same caller is the same job, although
-- its link was made anew. Errors: those of enqueue_command.
create function public.create_job(p_charger_id text, p_action text, p_payload jsonb, p_facts jsonb,
    p_idempotency_key text, p_queue boolean, p_expires_in_s integer, p_requested_by_name text) returns uuid
language plpgsql set search_path = '' as $$
declare
    v_command uuid;
    v_job uuid;
begin
    select id into v_command from public.commands where requested_by is not distinct from private.user_id()
        and idempotency_key = p_idempotency_key and charger_id = p_charger_id and action = p_action;
    if not found then
        if p_payload ? 'requestId' then
            p_payload := p_payload || jsonb_build_object('requestId', nextval('public.job_request_id'));
        end if;
        v_command := (public.enqueue_command(p_charger_id, p_action, p_payload, p_idempotency_key, p_queue,
                                             p_expires_in_s, p_requested_by_name) ->> 'id')::uuid;
        perform private.equip_job(v_command, p_facts);
    end if;
    select id into v_job from (select id from public.firmware_jobs where command_id = v_command
                               union all select id from public.log_jobs where command_id = v_command) j;
    return v_job;
end
$$;

-- ---------------------------------------------------------------- what follows

create function private.answer_firmware(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
begin
    update public.firmware_jobs set updated_at = p_command.answered_at,
        status = case when p_command.status <> 'accepted' then p_command.status
                      when status in ('queued', 'timed_out') then 'accepted' else status end,
        effect = case when p_command.status <> 'accepted' then 'none' when effect = 'none' then 'pending' else effect end,
        error = case when p_command.status <> 'accepted'
                     then coalesce(p_command.error_description, p_command.response ->> 'status', p_command.error_code) end
    where command_id = p_command.id;
    update public.firmware_jobs set status = 'replaced', effect = 'none', updated_at = p_command.answered_at
    where p_command.status = 'accepted' and charger_id = p_command.charger_id and command_id <> p_command.id
      and created_at < p_command.created_at
      and status in ('accepted', 'downloading', 'downloaded', 'installing', 'timed_out');
end
$$;

create function private.answer_log(p_command public.commands) returns void
language sql set search_path = '' as $$
    update public.log_jobs set updated_at = p_command.answered_at,
        file_name = left(coalesce(p_command.response ->> 'fileName', p_command.response ->> 'filename', file_name), 255),
        status = case when status not in ('queued', 'timed_out') then status
                      when p_command.status <> 'accepted' then p_command.status
                      -- No name in the answer: there is nothing to upload (OCPP 1.6 §5.9).
                      when p_command.action = 'GetDiagnostics' and coalesce(p_command.response ->> 'fileName', '') = ''
                      then 'nothing' else 'accepted' end,
        error = case when p_command.status <> 'accepted'
                     then coalesce(p_command.error_description, p_command.response ->> 'status', p_command.error_code) end
    where command_id = p_command.id
$$;

-- The charger's words for how far it came; null for what says nothing about a job (Idle).
create function private.job_step(p_status text) returns text
language sql immutable set search_path = '' as $$
    select case
        when p_status = 'DownloadScheduled' then 'accepted' when p_status in ('Downloading', 'DownloadPaused') then 'downloading'
        when p_status in ('Downloaded', 'SignatureVerified', 'InstallScheduled') then 'downloaded'
        when p_status in ('Installing', 'InstallRebooting') then 'installing' when p_status = 'Installed' then 'installed'
        when p_status = 'Uploading' then 'uploading' when p_status = 'Uploaded' then 'uploaded'
        when p_status = 'AcceptedCanceled' then 'replaced'
        when p_status in ('DownloadFailed', 'InstallationFailed', 'InstallVerificationFailed', 'InvalidSignature',
            'UploadFailed', 'UploadFailure', 'BadMessage', 'NotSupportedOperation', 'PermissionDenied') then 'failed' end
$$;

-- A status of the newest job that may still move, or of the one whose number it bears. Repetition changes nothing; a
-- failed download may be tried again.
create function private.report_firmware(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
language sql set search_path = '' as $$
    update public.firmware_jobs set status = private.job_step(p_payload ->> 'status'), reported = p_payload ->> 'status',
        updated_at = p_received_at, progress = case when jsonb_array_length(progress) < 200 then progress
            || jsonb_build_array(jsonb_build_object('at', p_received_at, 'status', p_payload ->> 'status')) else progress end
    where id = (select id from public.firmware_jobs where charger_id = p_charger_id
                  and coalesce(request_id::text = p_payload ->> 'requestId', true)
                  and status not in ('installed', 'rejected', 'expired', 'replaced')
                order by created_at desc, id desc limit 1)
      and reported is distinct from p_payload ->> 'status'
      and private.job_step(p_payload ->> 'status') in
          ('accepted', 'downloading', 'downloaded', 'installing', 'installed', 'failed', 'replaced')
$$;

create function private.report_log(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
language sql set search_path = '' as $$
    update public.log_jobs set reported = p_payload ->> 'status', updated_at = p_received_at,
        status = case when received_at is null then private.job_step(p_payload ->> 'status') else status end,
        progress = case when jsonb_array_length(progress) < 200 then progress
            || jsonb_build_array(jsonb_build_object('at', p_received_at, 'status', p_payload ->> 'status')) else progress end
    where id = (select id from public.log_jobs where charger_id = p_charger_id
                  and (kind = 'diagnostics') = (not p_payload ? 'requestId')
                  and coalesce(request_id::text = p_payload ->> 'requestId', true)
                  and status not in ('rejected', 'expired', 'replaced')
                order by created_at desc, id desc limit 1)
      and reported is distinct from p_payload ->> 'status'
      and private.job_step(p_payload ->> 'status') in ('uploading', 'uploaded', 'failed', 'replaced')
$$;

insert into private.answer_reactions values
    ('UpdateFirmware', 'private.answer_firmware(public.commands)'),
    ('SignedUpdateFirmware', 'private.answer_firmware(public.commands)'),
    ('GetDiagnostics', 'private.answer_log(public.commands)'), ('GetLog', 'private.answer_log(public.commands)');
insert into private.report_reactions values
    ('FirmwareStatusNotification', 'private.report_firmware(text,jsonb,timestamptz)'),
    ('SignedFirmwareStatusNotification', 'private.report_firmware(text,jsonb,timestamptz)'),
    ('DiagnosticsStatusNotification', 'private.report_log(text,jsonb,timestamptz)'),
    ('LogStatusNotification', 'private.report_log(text,jsonb,timestamptz)');

-- The effect of new firmware is a boot that tells another version; some chargers never say `Installed`.
create function private.observe_firmware() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.firmware_jobs set version_after = new.firmware_version, effect = 'observed', effect_at = new.last_boot_at,
        status = 'installed', updated_at = new.last_boot_at
    where id = (select id from public.firmware_jobs where charger_id = new.id
                  and status not in ('queued', 'rejected', 'expired', 'replaced')
                order by created_at desc, id desc limit 1)
      and effect in ('pending', 'no_effect') and version_before is distinct from new.firmware_version;
    return null;
end
$$;
create trigger observe_firmware after update of last_boot_at on public.chargers
    for each row when (new.last_boot_at is distinct from old.last_boot_at) execute function private.observe_firmware();

-- The clock's part. Returns how many jobs ended.
create function public.expire_jobs() returns integer
language sql set search_path = '' as $$
    with unsent as (
        update public.firmware_jobs j set status = case when m.status = 'expired' then 'expired' else 'timed_out' end,
            updated_at = now()
        from public.commands m
        where j.status = 'queued' and m.id = j.command_id and m.status in ('expired', 'timed_out') returning 1
    ), unsent_logs as (
        update public.log_jobs j set status = case when m.status = 'expired' then 'expired' else 'timed_out' end,
            updated_at = now()
        from public.commands m
        where j.status = 'queued' and m.id = j.command_id and m.status in ('expired', 'timed_out') returning 1
    ), late as (
        update public.firmware_jobs set effect = case when effect = 'pending' then 'no_effect' else effect end,
            status = case when status in ('accepted', 'downloading', 'downloaded', 'installing') then 'timed_out'
                          else status end, updated_at = now()
        where deadline_at < now() and (status in ('accepted', 'downloading', 'downloaded', 'installing') or effect = 'pending')
        returning 1
    ), late_logs as (
        update public.log_jobs set status = 'timed_out', updated_at = now()
        where deadline_at < now() and status in ('accepted', 'uploading') returning 1
    )
    select ((select count(*) from unsent) + (select count(*) from unsent_logs) + (select count(*) from late)
          + (select count(*) from late_logs))::integer
$$;

-- ---------------------------------------------------------------- links

-- What a download link leads to: {content_name, name, size_bytes, sha256, token_hash}, null when it leads nowhere (any more).
create function public.open_download(p_token_hash text) returns json
language sql set search_path = '' as $$
    with job as (
        update public.firmware_jobs set fetches = fetches + 1, fetched_at = now()
        where token_hash = p_token_hash and link_expires_at > now()
          and status not in ('installed', 'rejected', 'expired', 'replaced')
        returning firmware_file_id, token_hash
    )
    select row_to_json(t) from (
        select f.content_name, f.name, f.size_bytes, f.sha256, j.token_hash
        from job j join public.firmware_files f on f.id = j.firmware_file_id) t
$$;

-- May something be uploaded here? {token_hash, received}, null when the link leads nowhere.
create function public.open_upload(p_token_hash text) returns json
language sql stable set search_path = '' as $$
    select json_build_object('token_hash', token_hash, 'received', received_at is not null) from public.log_jobs
    where token_hash = p_token_hash and (link_expires_at > now() or received_at is not null)
$$;

-- The content is stored: the first wins. False: another was faster, and this content belongs to nobody.
create function public.finish_upload(p_token_hash text, p_content_name text, p_file_name text, p_size_bytes bigint,
    p_sha256 text) returns boolean
language plpgsql set search_path = '' as $$
begin
    update public.log_jobs set content_name = p_content_name, file_name = coalesce(p_file_name, file_name),
        size_bytes = p_size_bytes, sha256 = p_sha256, received_at = now(), status = 'uploaded', updated_at = now()
    where token_hash = p_token_hash and received_at is null;
    return found or exists (
        select 1 from public.log_jobs where token_hash = p_token_hash and content_name = p_content_name);
end
$$;

revoke execute on function private.read_time(text), private.open_job(), private.equip_job(uuid, jsonb),
    private.answer_firmware(public.commands), private.answer_log(public.commands), private.job_step(text),
    private.report_firmware(text, jsonb, timestamptz), private.report_log(text, jsonb, timestamptz),
    private.observe_firmware(), public.create_job(text, text, jsonb, jsonb, text, boolean, integer, text),
    public.expire_jobs(), public.open_download(text), public.open_upload(text),
    public.finish_upload(text, text, text, bigint, text) from public;
grant execute on function private.equip_job(uuid, jsonb),
    public.create_job(text, text, jsonb, jsonb, text, boolean, integer, text) to authenticated, service_role;
grant execute on function private.answer_firmware(public.commands), private.answer_log(public.commands),
    private.job_step(text), private.report_firmware(text, jsonb, timestamptz),
    private.report_log(text, jsonb, timestamptz), private.observe_firmware(), public.expire_jobs(),
    public.open_download(text), public.open_upload(text), public.finish_upload(text, text, text, bigint, text)
    to service_role;
