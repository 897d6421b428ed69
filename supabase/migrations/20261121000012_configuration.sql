-- What chargers are set to: the keys as last reported, every change with who made it, and templates that are switched
-- on for a charger: after each boot the platform reads, changes what differs, and nothing else. Secrets are never kept.

create function private.is_secret_key(p_key text) returns boolean
language sql immutable set search_path = '' as $$ select p_key ~* 'authorizationkey|password|secret' $$;

-- Chargers repeat what they were told in their own manner: `True`, `A, B`.
create function private.plain_setting(p_value text) returns text
language sql immutable set search_path = '' as $$
    select case when lower(btrim(p_value)) in ('true', 'false') then lower(btrim(p_value))
                else regexp_replace(btrim(p_value), '\s*,\s*', ',', 'g') end
$$;

create table public.charger_configuration (
    charger_id text not null references public.chargers (id) on delete cascade,
    key_id text not null generated always as (lower(key)) stored,  -- OCPP 1.6 §7.28: case-insensitive
    key text not null check (length(key) between 1 and 200),
    cpo_id uuid references public.cpos (id),
    value text,                       -- null: a secret, or told without a value
    secret boolean not null default false,
    readonly boolean not null default false,
    known_at timestamptz not null,    -- last report, or accepted change
    pending_value text,               -- accepted, but in force only after a reboot
    pending_since timestamptz,
    primary key (charger_id, key_id)
);
create index charger_configuration_cpo on public.charger_configuration (cpo_id);

create table public.configuration_reports (
    charger_id text primary key references public.chargers (id) on delete cascade,
    cpo_id uuid references public.cpos (id),
    reported_at timestamptz not null,
    complete_at timestamptz,          -- last report of all keys
    unknown_keys text[] not null default '{}'
);
create index configuration_reports_cpo on public.configuration_reports (cpo_id);

create table public.configuration_changes (
    id bigint generated always as identity primary key,
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    at timestamptz not null,
    key text not null,
    old_value text,
    new_value text,
    source text not null check (source in ('command', 'template', 'charger')),  -- charger: seen to differ in a report
    actor text,
    command_id uuid unique,
    reboot_required boolean not null default false
);
create index configuration_changes_charger on public.configuration_changes (charger_id, id desc);
create index configuration_changes_cpo on public.configuration_changes (cpo_id, id desc);

create table public.configuration_templates (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid not null references public.cpos (id),
    name text not null check (length(name) between 1 and 120),
    settings jsonb not null check (jsonb_typeof(settings) = 'object'),  -- key -> value, both text
    reboot boolean not null default false,  -- may restart the charger when a change needs it and no session runs
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(), unique (cpo_id, name)
);

create table public.charger_templates (
    charger_id text primary key references public.chargers (id) on delete cascade,
    cpo_id uuid not null references public.cpos (id),
    template_id uuid not null references public.configuration_templates (id),
    switched_on_at timestamptz not null default now(),
    switched_on_by text,
    state text not null default 'waiting' check (state in
        ('waiting', 'reading', 'changing', 'reboot_waiting', 'rebooting', 'done', 'failed')),
    state_at timestamptz not null default now(),
    run text                          -- names one pass; its commands bear it in their idempotency key
);
create index charger_templates_template on public.charger_templates (template_id);
create index charger_templates_cpo on public.charger_templates (cpo_id);
create index charger_templates_reboot on public.charger_templates (charger_id) where state = 'reboot_waiting';

call private.protect('public.charger_configuration', array[]::text[]);
call private.protect('public.configuration_reports', array[]::text[]);
call private.protect('public.configuration_changes', array[]::text[]);
call private.protect('public.configuration_templates', array['cpo_admin']);
call private.protect('public.charger_templates', array['cpo_admin']);
create function private.same_cpo(p_charger_id text, p_template_id uuid, p_cpo_id uuid) returns boolean
language sql stable set search_path = '' as $$
    select exists (select 1 from public.chargers c join public.configuration_templates t on t.cpo_id = c.cpo_id
                   where c.id = p_charger_id and t.id = p_template_id and c.cpo_id = p_cpo_id)
$$;
create policy of_own_charger_inserted on public.charger_templates as restrictive for insert to authenticated
    with check (private.same_cpo(charger_id, template_id, cpo_id));
create policy of_own_charger_updated on public.charger_templates as restrictive for update to authenticated
    using (true) with check (private.same_cpo(charger_id, template_id, cpo_id));

grant select, insert, update, delete on public.charger_configuration, public.configuration_reports,
    public.configuration_changes, public.configuration_templates, public.charger_templates to service_role;
grant select on public.charger_configuration, public.configuration_reports, public.configuration_changes to authenticated;
grant select, insert, update, delete on public.configuration_templates, public.charger_templates to authenticated;

-- ---------------------------------------------------------------- drift

-- Where a charger with a template does not (yet) obey it, and why.
create view public.configuration_drift with (security_invoker = true) as
select g.charger_id, g.cpo_id, g.template_id, s.key, s.value as wanted, c.value as reported,
    case when r.complete_at is null then 'not_reported' when c.key_id is null then 'unknown_key'
         when private.plain_setting(c.pending_value) = private.plain_setting(s.value) then 'reboot_required'
         when c.readonly then 'readonly' else 'differs' end as reason
from public.charger_templates g
join public.configuration_templates t on t.id = g.template_id
cross join lateral jsonb_each_text(t.settings) as s(key, value)
left join public.charger_configuration c on c.charger_id = g.charger_id and c.key_id = lower(s.key)
left join public.configuration_reports r on r.charger_id = g.charger_id
where r.complete_at is null or private.plain_setting(c.value) is distinct from private.plain_setting(s.value);

create view public.configuration_template_details with (security_invoker = true) as
select t.id, t.cpo_id, t.name, t.settings, t.reboot, t.created_at, t.updated_at,
    (select count(*) from public.charger_templates g where g.template_id = t.id) as charger_count,
    (select count(distinct d.charger_id) from public.configuration_drift d
     where d.template_id = t.id and d.reason <> 'not_reported') as drifting_count
from public.configuration_templates t;

create view public.charger_template_details with (security_invoker = true) as
select g.charger_id, g.cpo_id, g.template_id, t.name as template_name, t.reboot, g.switched_on_at, g.switched_on_by,
    g.state, g.state_at
from public.charger_templates g join public.configuration_templates t on t.id = g.template_id;

grant select on public.configuration_drift, public.configuration_template_details, public.charger_template_details
    to authenticated, service_role;

-- ---------------------------------------------------------------- what answers tell

-- The answer to GetConfiguration. One that was asked without keys tells all: what it lacks is gone.
create function private.keep_configuration(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    v_asked jsonb := p_command.payload -> 'key';
    v_keys jsonb := p_command.response -> 'configurationKey';
    v_unknown jsonb := p_command.response -> 'unknownKey';
    v_complete boolean;
    machine public.chargers;
    report public.configuration_reports;
    unknown text[];
begin
    if p_command.status = 'accepted' then
        select * into machine from public.chargers where id = p_command.charger_id;
        select * into report from public.configuration_reports where charger_id = p_command.charger_id;
        if coalesce(jsonb_typeof(v_keys), '') <> 'array' then v_keys := '[]'; end if;
        if coalesce(jsonb_typeof(v_unknown), '') <> 'array' then v_unknown := '[]'; end if;
        v_complete := (coalesce(jsonb_typeof(v_asked), '') <> 'array' or v_asked = '[]')
            and v_keys @? '$[*].key ? (@ != "" && @.type() == "string")';
        select coalesce(array_agg(distinct left(u, 200)), '{}') into unknown
        from (select jsonb_array_elements_text(v_unknown) as u
              union all select unnest(report.unknown_keys)) k
        where u <> '' and not exists (select 1 from jsonb_array_elements(v_keys) e where lower(e ->> 'key') = lower(u));
        perform private.compare_configuration(machine, v_keys, v_unknown, v_complete, report.complete_at is not null,
                                              p_command.answered_at);
        insert into public.configuration_reports (charger_id, cpo_id, reported_at, complete_at, unknown_keys)
        values (machine.id, machine.cpo_id, p_command.answered_at,
            case when v_complete then p_command.answered_at end, unknown)
        on conflict (charger_id) do update set cpo_id = excluded.cpo_id, reported_at = excluded.reported_at,
            complete_at = coalesce(excluded.complete_at, configuration_reports.complete_at),
            unknown_keys = excluded.unknown_keys;
    end if;
    perform private.continue_template(p_command);
end
$$;

-- Brings what is known up to what was told, and writes down what differs. What waits for a reboot may still be told
-- in its old form; after a boot it should be in force.
create function private.compare_configuration(p_charger public.chargers, p_keys jsonb, p_unknown jsonb,
    p_complete boolean, p_again boolean, p_at timestamptz) returns void
language sql set search_path = '' as $$
    with told as materialized (
        select distinct on (lower(e ->> 'key')) e ->> 'key' as key, lower(e ->> 'key') as key_id,
            private.is_secret_key(e ->> 'key') as secret,
            case when not private.is_secret_key(e ->> 'key') then e ->> 'value' end as value,
            coalesce(lower(e ->> 'readonly'), '') in ('true', '1') as readonly
        from jsonb_array_elements(p_keys) with ordinality as k(e, n)
        where jsonb_typeof(e -> 'key') = 'string' and length(e ->> 'key') between 1 and 200
        order by lower(e ->> 'key'), n desc
    ), compared as materialized (
        select t.*, c.key_id is not null as known, c.value as was, c.pending_value, c.pending_since,
            c.pending_since < p_charger.last_boot_at as booted,
            private.plain_setting(t.value) is not distinct from private.plain_setting(c.pending_value) as obeyed
        from told t left join public.charger_configuration c on c.charger_id = p_charger.id and c.key_id = t.key_id
    ), gone as (
        delete from public.charger_configuration c
        where c.charger_id = p_charger.id and c.key_id not in (select key_id from told)
          and (p_complete or c.key_id in (select lower(u) from jsonb_array_elements_text(p_unknown) u))
        returning key, value
    ), changes as (
        select key, case when known and booted then coalesce(pending_value, was) else was end as old_value,
            value as new_value
        from compared
        where not secret and (known or p_again) and not (pending_since is not null and (obeyed or was is null))
          and private.plain_setting(value) is distinct from
              private.plain_setting(case when known and booted then coalesce(pending_value, was) else was end)
        union all select key, value, null from gone
    ), noted as (
        insert into public.configuration_changes (cpo_id, charger_id, at, key, old_value, new_value, source)
        select p_charger.cpo_id, p_charger.id, p_at, key, old_value, new_value, 'charger' from changes order by key
    )
    insert into public.charger_configuration as c
        (charger_id, key, cpo_id, value, secret, readonly, known_at, pending_value, pending_since)
    select p_charger.id, key, p_charger.cpo_id, value, secret, readonly, p_at,
        case when not obeyed and not coalesce(booted, false) then pending_value end,
        case when not obeyed and not coalesce(booted, false) then pending_since end
    from compared
    on conflict (charger_id, key_id) do update set key = excluded.key, cpo_id = excluded.cpo_id, value = excluded.value,
        secret = excluded.secret, readonly = excluded.readonly, known_at = excluded.known_at,
        pending_value = excluded.pending_value, pending_since = excluded.pending_since
$$;

-- The answer to ChangeConfiguration: who changed what. With RebootRequired the value counts from the next boot on.
create function private.keep_configuration_change(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    v_key text := left(p_command.payload ->> 'key', 200);
    v_secret boolean := private.is_secret_key(v_key);
    v_value text := case when not v_secret then p_command.payload ->> 'value' end;
    v_reboot boolean := coalesce(p_command.response ->> 'status', '') = 'RebootRequired';
    v_cpo uuid;
    was public.charger_configuration;
begin
    if p_command.status = 'accepted' and v_key <> '' then
        select cpo_id into v_cpo from public.chargers where id = p_command.charger_id;
        select * into was from public.charger_configuration
        where charger_id = p_command.charger_id and key_id = lower(v_key);
        if v_secret or was.key_id is null or coalesce(was.pending_value, was.value) is distinct from v_value then
            insert into public.configuration_changes (cpo_id, charger_id, at, key, old_value, new_value, source, actor,
                command_id, reboot_required)
            values (v_cpo, p_command.charger_id, p_command.answered_at, v_key, coalesce(was.pending_value, was.value),
                v_value, case when private.is_template_run(p_command) then 'template' else 'command' end,
                p_command.requested_by_name, p_command.id, v_reboot)
            on conflict (command_id) do nothing;
        end if;
        insert into public.charger_configuration as c (charger_id, key, cpo_id, value, secret, known_at, pending_value,
            pending_since)
        values (p_command.charger_id, v_key, v_cpo, case when not v_reboot then v_value end, v_secret,
            p_command.answered_at, case when v_reboot then v_value end, case when v_reboot then p_command.answered_at end)
        on conflict (charger_id, key_id) do update set cpo_id = excluded.cpo_id, known_at = excluded.known_at,
            value = case when v_reboot then c.value else excluded.value end,
            pending_value = excluded.pending_value, pending_since = excluded.pending_since;
    end if;
    perform private.continue_template(p_command);
end
$$;

-- ---------------------------------------------------------------- templates

create function private.is_template_run(p_command public.commands) returns boolean
language sql immutable set search_path = '' as $$
    select p_command.requested_by is null and coalesce(starts_with(p_command.idempotency_key, 'template/'), false)
$$;

-- A command of the template's own. The same step of the same pass is asked once.
create function private.ask_for_template(p_given public.charger_templates, p_step text, p_action text, p_payload jsonb)
returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.commands (cpo_id, charger_id, action, payload, requested_by_name, idempotency_key, expires_at)
    select p_given.cpo_id, p_given.charger_id, p_action, p_payload, t.name, p_given.run || '/' || p_step,
        now() + interval '15 minutes'
    from public.configuration_templates t where t.id = p_given.template_id
    on conflict (requested_by, idempotency_key) where idempotency_key is not null do nothing;
    perform pg_notify('uniev_commands', p_given.charger_id);
end
$$;

-- Begins a pass: the platform reads all keys first. The same `p_pass` begins once.
create function public.begin_template(p_charger_id text, p_pass text) returns void
language plpgsql set search_path = '' as $$
declare
    given public.charger_templates;
begin
    update public.charger_templates
    set run = 'template/' || p_charger_id || '/' || p_pass, state = 'reading', state_at = now()
    where charger_id = p_charger_id and run is distinct from 'template/' || p_charger_id || '/' || p_pass
    returning * into given;
    if found then
        perform private.ask_for_template(given, 'read', 'GetConfiguration', '{}');
    end if;
end
$$;

-- What follows from the answer to a command of a pass; answers of earlier passes and of other people change nothing.
create function private.continue_template(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    given public.charger_templates;
    v_next text;
    r record;
begin
    if not private.is_template_run(p_command) then return; end if;
    select * into given from public.charger_templates
    where charger_id = p_command.charger_id and starts_with(p_command.idempotency_key, run || '/') for update;
    if not found then return; end if;
    if p_command.action = 'GetConfiguration' and p_command.status = 'accepted' then
        for r in select key, wanted from public.configuration_drift
                 where charger_id = given.charger_id and reason = 'differs' order by key
        loop
            perform private.ask_for_template(given, r.key, 'ChangeConfiguration',
                                             jsonb_build_object('key', r.key, 'value', r.wanted));
        end loop;
        v_next := case when found then 'changing'
                       -- Nothing to change, and yet it does not hold what it should: the charger told us too little.
                       when exists (select from public.configuration_drift
                                    where charger_id = given.charger_id and reason = 'not_reported') then 'failed'
                       else 'done' end;
    elsif exists (select 1 from public.commands m where m.charger_id = given.charger_id and m.requested_by is null
                  and starts_with(m.idempotency_key, given.run || '/') and m.status in ('queued', 'sent')) then
        return;
    else
        select case when bool_or(m.status <> 'accepted') then 'failed'
                    when bool_or(m.response ->> 'status' = 'RebootRequired') and t.reboot then 'reboot_waiting'
                    else 'done' end into v_next
        from public.commands m join public.configuration_templates t on t.id = given.template_id
        where m.charger_id = given.charger_id and m.requested_by is null and starts_with(m.idempotency_key, given.run || '/')
        group by t.reboot;
    end if;
    update public.charger_templates set state = v_next, state_at = now() where charger_id = given.charger_id;
    if v_next = 'reboot_waiting' then
        perform private.reboot_for_template(given.charger_id);
    end if;
end
$$;

-- Restarts the charger when no session runs. At most once an hour, or one that forgets would restart for ever.
create function private.reboot_for_template(p_charger_id text) returns boolean
language plpgsql set search_path = '' as $$
declare
    given public.charger_templates;
begin
    if exists (select 1 from public.sessions s where s.charger_id = p_charger_id and s.stopped_at is null
               and greatest(s.start_received_at, s.last_reading_at) > now() - interval '24 hours')
       or exists (select 1 from public.commands m where m.charger_id = p_charger_id and m.action = 'Reset'
               and m.requested_by is null and starts_with(m.idempotency_key, 'template/')
               and m.created_at > now() - interval '1 hour') then
        return false;
    end if;
    update public.charger_templates set state = 'rebooting', state_at = now()
    where charger_id = p_charger_id and state = 'reboot_waiting' returning * into given;
    if found then
        perform private.ask_for_template(given, 'reset', 'Reset', '{"type": "Soft"}');
    end if;
    return found;
end
$$;

insert into private.answer_reactions values
    ('GetConfiguration', 'private.keep_configuration(public.commands)'),
    ('ChangeConfiguration', 'private.keep_configuration_change(public.commands)');

-- An accepted boot is an event for chargers with a template, and for no others: the worker answers it a moment after
-- the charger got its own answer.
create function private.tell_of_boot() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into public.outbox (cpo_id, topic, payload)
    select g.cpo_id, 'charger.booted', jsonb_build_object('charger_id', g.charger_id, 'at', new.last_boot_at)
    from public.charger_templates g where g.charger_id = new.id and new.registration = 'accepted';
    return null;
end
$$;
create trigger tell_of_boot after update of last_boot_at on public.chargers
    for each row when (new.last_boot_at is distinct from old.last_boot_at) execute function private.tell_of_boot();

-- [{charger_id, at}], may be told again.
create function public.begin_templates(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    perform public.begin_template(r.charger_id, 'boot-' || extract(epoch from r.at))
    from json_to_recordset(p_rows) as r(charger_id text, at timestamptz);
end
$$;

-- The clock's part: restarts that waited for a session to end. Returns how many began.
create function public.reboot_for_templates() returns integer
language sql set search_path = '' as $$
    select count(*)::integer from public.charger_templates g
    where g.state = 'reboot_waiting' and private.is_connected(g.charger_id) and private.reboot_for_template(g.charger_id)
$$;

revoke execute on function private.is_secret_key(text), private.plain_setting(text), private.same_cpo(text, uuid, uuid),
    private.ask_for_template(public.charger_templates, text, text, jsonb), public.begin_template(text, text),
    private.keep_configuration(public.commands), private.keep_configuration_change(public.commands),
    private.compare_configuration(public.chargers, jsonb, jsonb, boolean, boolean, timestamptz),
    private.is_template_run(public.commands), private.continue_template(public.commands),
    private.reboot_for_template(text), private.tell_of_boot(), public.begin_templates(json),
    public.reboot_for_templates() from public;
grant execute on function private.plain_setting(text), private.same_cpo(text, uuid, uuid),
    private.ask_for_template(public.charger_templates, text, text, jsonb), public.begin_template(text, text)
    to authenticated, service_role;
grant execute on function private.is_secret_key(text), private.keep_configuration(public.commands),
    private.keep_configuration_change(public.commands), private.is_template_run(public.commands),
    private.compare_configuration(public.chargers, jsonb, jsonb, boolean, boolean, timestamptz),
    private.continue_template(public.commands), private.reboot_for_template(text), private.tell_of_boot(),
    public.begin_templates(json), public.reboot_for_templates() to service_role;
