-- Which job a charger speaks of; and what it does although its answer to the command was lost.

-- The job that a charger can be speaking of: the newest whose command reached it and was not refused, or the one whose
-- number it tells. Whether that one may still move is asked afterwards: else a repeated `Installed` counted for an older
-- job that had failed, and what was told of one job for a later one that waits to be sent.
create function private.firmware_job_of(p_charger_id text, p_request_id text) returns uuid
language sql stable set search_path = '' as $$
    select j.id from public.firmware_jobs j join public.commands m on m.id = j.command_id
    where j.charger_id = p_charger_id and m.status in ('sent', 'accepted', 'timed_out')
      and coalesce(j.request_id::text = p_request_id, true)
    order by coalesce(j.request_id::text = p_request_id, false) desc, m.seq desc limit 1
$$;

create function private.log_job_of(p_charger_id text, p_request_id text, p_diagnostics boolean) returns uuid
language sql stable set search_path = '' as $$
    select j.id from public.log_jobs j join public.commands m on m.id = j.command_id
    where j.charger_id = p_charger_id and m.status in ('sent', 'accepted', 'timed_out')
      and (j.kind = 'diagnostics') = p_diagnostics and coalesce(j.request_id::text = p_request_id, true)
    order by coalesce(j.request_id::text = p_request_id, false) desc, m.seq desc limit 1
$$;

-- A status of that job, if it may still move. Repetition changes nothing; a failed download may be tried again.
create or replace function private.report_firmware(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
language sql set search_path = '' as $$
    update public.firmware_jobs set status = private.job_step(p_payload ->> 'status'), reported = p_payload ->> 'status',
        error = null, updated_at = p_received_at, progress = case when jsonb_array_length(progress) < 200 then progress
            || jsonb_build_array(jsonb_build_object('at', p_received_at, 'status', p_payload ->> 'status')) else progress end
    where id = private.firmware_job_of(p_charger_id, p_payload ->> 'requestId')
      and status not in ('installed', 'replaced') and reported is distinct from p_payload ->> 'status'
      and private.job_step(p_payload ->> 'status') in
          ('accepted', 'downloading', 'downloaded', 'installing', 'installed', 'failed', 'replaced')
$$;

create or replace function private.report_log(p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void
language sql set search_path = '' as $$
    update public.log_jobs set reported = p_payload ->> 'status', error = null, updated_at = p_received_at,
        status = case when received_at is null then private.job_step(p_payload ->> 'status') else status end,
        progress = case when jsonb_array_length(progress) < 200 then progress
            || jsonb_build_array(jsonb_build_object('at', p_received_at, 'status', p_payload ->> 'status')) else progress end
    where id = private.log_job_of(p_charger_id, p_payload ->> 'requestId', not p_payload ? 'requestId')
      and (status not in ('uploaded', 'replaced') or received_at is not null)
      and reported is distinct from p_payload ->> 'status'
      and private.job_step(p_payload ->> 'status') in ('uploading', 'uploaded', 'failed', 'replaced')
$$;

-- As before, but that no answer proves nothing: the charger may be at it already, and the boot with another version is
-- waited for as after an accepted command.
create or replace function private.answer_firmware(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
begin
    update public.firmware_jobs set updated_at = p_command.answered_at,
        status = case when p_command.status = 'accepted' and status in ('queued', 'timed_out') then 'accepted'
                      when p_command.status in ('accepted', 'timed_out') and status <> 'queued' then status
                      else p_command.status end,
        effect = case when effect = 'observed' then effect when p_command.status not in ('accepted', 'timed_out') then 'none'
                      when effect = 'none' then 'pending' else effect end,
        error = case when p_command.status <> 'accepted' and reported is null
                     then coalesce(p_command.error_description, p_command.response ->> 'status', p_command.error_code) end
    where command_id = p_command.id;
    update public.firmware_jobs set status = 'replaced', effect = 'none', updated_at = p_command.answered_at
    where p_command.status = 'accepted' and charger_id = p_command.charger_id and command_id <> p_command.id
      and created_at < p_command.created_at
      and status in ('accepted', 'downloading', 'downloaded', 'installing', 'timed_out');
end
$$;

-- The boot that tells another version, also before the clock or the server has said what became of the command. Of a job
-- whose command got no answer, only the wanted version counts once its time is over: it may never have come to the charger.
create or replace function private.observe_firmware() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.firmware_jobs j set version_after = new.firmware_version, effect = 'observed', effect_at = new.last_boot_at,
        status = 'installed', error = null, updated_at = new.last_boot_at
    from public.commands m
    where j.id = private.firmware_job_of(new.id, null) and m.id = j.command_id and j.status <> 'replaced'
      and j.version_before is distinct from new.firmware_version
      and (j.effect = 'pending' or (j.effect = 'none' and m.status <> 'accepted' and j.deadline_at > new.last_boot_at)
           or (j.effect = 'no_effect' and (m.status = 'accepted' or j.version_wanted = new.firmware_version)));
    return null;
end
$$;

-- As before; a command that was sent and not answered leaves its update to be observed.
create or replace function public.expire_jobs() returns integer
language sql set search_path = '' as $$
    with unsent as (
        update public.firmware_jobs j set status = case when m.status = 'expired' then 'expired' else 'timed_out' end,
            effect = case when m.status = 'expired' then 'none' else 'pending' end, updated_at = now()
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

-- As before; a command that got no answer is no failure while the boot may come.
create or replace function private.look_at_firmware_campaign(p_campaign public.campaigns, p_target public.campaign_targets)
    returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select case
        when j.effect = 'observed' and coalesce(j.version_wanted, p_campaign.parameters ->> 'version', j.version_after)
            is distinct from j.version_after
            then jsonb_build_object('state', 'failed', 'reason', concat_ws(': ', 'other_version', j.version_after))
        when j.effect = 'observed' or (j.status = 'installed' and j.version_wanted is null
                                       and not p_campaign.parameters ? 'version') then '{"state": "succeeded"}'
        when j.status = 'timed_out' and j.effect = 'pending' then '{}'
        when j.status in ('failed', 'rejected', 'timed_out', 'expired', 'replaced')
            then jsonb_build_object('state', 'failed', 'reason', concat_ws(': ', j.status, coalesce(j.error, j.reported)))
        else '{}'::jsonb end
    from public.firmware_jobs j where j.id = (p_target.reference ->> 'job_id')::uuid);
end
$$;

revoke execute on function private.firmware_job_of(text, text), private.log_job_of(text, text, boolean) from public;
grant execute on function private.firmware_job_of(text, text), private.log_job_of(text, text, boolean) to service_role;
