-- What a campaign can do to a charger: three functions a kind (see private.campaign_kinds).

-- The command of a campaign at one charger, once however often it is asked for.
create function private.campaign_command(p_campaign public.campaigns, p_charger_id text, p_action text, p_payload jsonb)
returns jsonb
language sql set search_path = '' as $$
    select jsonb_build_object('command_id', public.enqueue_command(p_charger_id, p_action, p_payload,
        'campaign/' || p_campaign.id || '/' || p_charger_id, true, p_campaign.timeout_s, p_campaign.name) ->> 'id')
$$;

-- How the command of a target ended, in the words of campaigns; no state while it has not.
create function private.campaign_command_result(p_target public.campaign_targets) returns jsonb
language sql stable set search_path = '' as $$
    select case when m.status = 'accepted' then '{"state": "succeeded"}'
        when m.status in ('queued', 'sent') then '{}'
        else jsonb_build_object('state', 'failed', 'reason', concat_ws(': ', m.status,
            coalesce(m.response ->> 'status', m.error_description, m.error_code))) end
    from public.commands m where m.id = (p_target.reference ->> 'command_id')::uuid
$$;

-- ---------------------------------------------------------------- a configuration template: {template_id}

create function private.preview_template_campaign(p_parameters jsonb, p_charger public.chargers) returns jsonb
language sql stable set search_path = '' as $$
    with wanted as (
        select s.key, s.value, c.value as was, c.readonly, t.id
        from public.configuration_templates t cross join lateral jsonb_each_text(t.settings) as s(key, value)
        left join public.charger_configuration c on c.charger_id = p_charger.id and c.key_id = lower(s.key)
        where t.id = (p_parameters ->> 'template_id')::uuid and t.cpo_id = p_charger.cpo_id
    ), changes as (
        select coalesce(jsonb_agg(jsonb_build_object('key', key, 'from', was, 'to', value) order by key), '[]') as all
        from wanted where private.plain_setting(was) is distinct from private.plain_setting(value) and readonly is not true
    )
    select jsonb_build_object('changes', x.all, 'skip', case
        when not exists (select 1 from public.configuration_templates t where t.id = (p_parameters ->> 'template_id')::uuid
                         and t.cpo_id = p_charger.cpo_id) then 'template_missing'
        when x.all = '[]' and exists (select 1 from public.configuration_reports r
                                      where r.charger_id = p_charger.id and r.complete_at is not null)
            then case when exists (select 1 from wanted where readonly
                                   and private.plain_setting(was) is distinct from private.plain_setting(value))
                      then 'readonly' else 'nothing_to_change' end end)
    from changes x
$$;

create function private.begin_template_campaign(p_campaign public.campaigns, p_charger_id text, p_files_url text)
returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_template uuid := (p_campaign.parameters ->> 'template_id')::uuid;
begin
    insert into public.charger_templates (charger_id, cpo_id, template_id, switched_on_by)
    select p_charger_id, p_campaign.cpo_id, t.id, p_campaign.name
    from public.configuration_templates t where t.id = v_template and t.cpo_id = p_campaign.cpo_id
    on conflict (charger_id) do update set template_id = excluded.template_id, switched_on_at = now(),
        switched_on_by = excluded.switched_on_by, state = 'waiting', state_at = now(), run = null;
    if not found then
        raise exception 'template_missing';
    end if;
    perform public.begin_template(p_charger_id, 'campaign-' || p_campaign.id);
    return jsonb_build_object('template_id', v_template);
end
$$;

-- A pass that another boot began counts as well: what matters is that the charger obeys.
create function private.look_at_template_campaign(p_campaign public.campaigns, p_target public.campaign_targets) returns jsonb
language sql stable set search_path = '' as $$
    select coalesce((
        select case when g.template_id::text <> p_target.reference ->> 'template_id'
                    then '{"state": "failed", "reason": "another_template"}'
                    when g.state = 'failed' then jsonb_build_object('state', 'failed', 'reason', coalesce((
                        select string_agg(concat_ws(': ', m.payload ->> 'key', coalesce(m.response ->> 'status',
                            m.error_description, m.error_code, m.status)), '; ' order by m.seq)
                        from public.commands m where m.charger_id = g.charger_id and m.requested_by is null
                          and starts_with(m.idempotency_key, g.run || '/') and m.status <> 'accepted'), 'failed'))
                    when g.state = 'done' then '{"state": "succeeded"}'::jsonb else '{}' end
        from public.charger_templates g where g.charger_id = p_target.charger_id),
        '{"state": "failed", "reason": "switched_off"}')
$$;

-- ---------------------------------------------------------------- new passwords: {}

create function private.preview_password_campaign(p_parameters jsonb, p_charger public.chargers) returns jsonb
language sql stable set search_path = '' as $$
    select jsonb_build_object('changes', '[{"key": "AuthorizationKey"}]'::jsonb, 'skip', case
        when p_charger.password_hash is null then 'no_password'
        when (select count(*) from public.charger_keys k where k.charger_id = p_charger.id) >= 5 then 'passwords_on_their_way' end)
$$;

-- The OCPP server makes the password when it sends the command: it stands nowhere before.
create function private.begin_password_campaign(p_campaign public.campaigns, p_charger_id text, p_files_url text)
returns jsonb
language sql set search_path = '' as $$
    select private.campaign_command(p_campaign, p_charger_id, 'ChangeConfiguration',
                                    '{"key": "AuthorizationKey", "value": "***"}')
$$;

create function private.look_at_command_campaign(p_campaign public.campaigns, p_target public.campaign_targets) returns jsonb
language sql stable set search_path = '' as $$
    select private.campaign_command_result(p_target)
$$;

-- ---------------------------------------------------------------- firmware: {firmware_file_id} or {location, version}

create function private.preview_firmware_campaign(p_parameters jsonb, p_charger public.chargers) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select jsonb_build_object(
        'changes', jsonb_build_array(jsonb_build_object('key', 'firmware_version', 'from', p_charger.firmware_version,
                                                        'to', coalesce(f.version, p_parameters ->> 'version'))),
        'skip', case
            when p_parameters ? 'firmware_file_id' and f.id is null then 'file_missing'
            when p_charger.firmware_version = coalesce(f.version, p_parameters ->> 'version') then 'nothing_to_change'
            when lower(f.vendor) <> lower(p_charger.vendor) or lower(f.model) <> lower(p_charger.model) then 'other_model' end)
    from (select 1) one left join public.firmware_files f
        on f.id = (p_parameters ->> 'firmware_file_id')::uuid and f.cpo_id = p_charger.cpo_id);
end
$$;

-- A file of ours gets a link of its own for each charger; only the link's hash is kept.
create function private.begin_firmware_campaign(p_campaign public.campaigns, p_charger_id text, p_files_url text)
returns jsonb
language plpgsql set search_path = '' as $$
declare
    v_until timestamptz := now() + make_interval(secs => greatest(p_campaign.timeout_s, 86400));
    v_token text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
    file record;
    v_location text := p_campaign.parameters ->> 'location';
    v_facts jsonb := '{}';
    v_job uuid;
begin
    if p_campaign.parameters ? 'firmware_file_id' then
        select * into file from public.firmware_files
        where id = (p_campaign.parameters ->> 'firmware_file_id')::uuid and cpo_id = p_campaign.cpo_id;
        if not found then
            raise exception 'file_missing';
        end if;
        v_location := format('%s/files/firmware/%s/%s', p_files_url, v_token, regexp_replace(file.name, '[^\w.-]', '_', 'g'));
        v_facts := jsonb_build_object('firmware_file_id', file.id, 'link_expires_at', v_until,
            'token_hash', encode(sha256(convert_to(v_token, 'UTF8')), 'hex'));
    end if;
    v_job := public.create_job(p_charger_id, 'UpdateFirmware', jsonb_build_object('location', v_location,
        'retrieveDate', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')), v_facts,
        'campaign/' || p_campaign.id || '/' || p_charger_id, true, p_campaign.timeout_s, p_campaign.name);
    return jsonb_build_object('job_id', v_job);
end
$$;

-- Done is what boots with the new version, or says `Installed` where nobody told which version to expect.
create function private.look_at_firmware_campaign(p_campaign public.campaigns, p_target public.campaign_targets) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (select case
        when j.effect = 'observed' and coalesce(j.version_wanted, p_campaign.parameters ->> 'version', j.version_after)
            is distinct from j.version_after
            then jsonb_build_object('state', 'failed', 'reason', concat_ws(': ', 'other_version', j.version_after))
        when j.effect = 'observed' or (j.status = 'installed' and j.version_wanted is null
                                       and not p_campaign.parameters ? 'version') then '{"state": "succeeded"}'
        when j.status in ('failed', 'rejected', 'timed_out', 'expired', 'replaced')
            then jsonb_build_object('state', 'failed', 'reason', concat_ws(': ', j.status, coalesce(j.error, j.reported)))
        else '{}'::jsonb end
    from public.firmware_jobs j where j.id = (p_target.reference ->> 'job_id')::uuid);
end
$$;

insert into private.campaign_kinds values
    ('configuration_template', 'private.preview_template_campaign(jsonb, public.chargers)',
     'private.begin_template_campaign(public.campaigns, text, text)',
     'private.look_at_template_campaign(public.campaigns, public.campaign_targets)'),
    ('password_rotation', 'private.preview_password_campaign(jsonb, public.chargers)',
     'private.begin_password_campaign(public.campaigns, text, text)',
     'private.look_at_command_campaign(public.campaigns, public.campaign_targets)'),
    ('firmware_update', 'private.preview_firmware_campaign(jsonb, public.chargers)',
     'private.begin_firmware_campaign(public.campaigns, text, text)',
     'private.look_at_firmware_campaign(public.campaigns, public.campaign_targets)');

do $$
declare
    f regprocedure;
begin
    for f in select p.oid::regprocedure from pg_catalog.pg_proc p
             where p.pronamespace = 'private'::regnamespace and p.proname ~ 'campaign'
    loop
        execute format('revoke execute on function %s from public; grant execute on function %s to service_role', f, f);
    end loop;
end
$$;
