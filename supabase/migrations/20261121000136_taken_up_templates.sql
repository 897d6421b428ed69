-- A pass of a provisioning template stood still for ever when one of its commands got no answer: a server that dies settles
-- nothing, and a command that the clock ends has nobody react to it. The clock takes such passes up again.

-- Begins a pass: the platform reads all keys first. The same `p_pass` begins once, and once more when it is taken up.
create or replace function public.begin_template(p_charger_id text, p_pass text) returns void
language plpgsql set search_path = '' as $$
declare
    v_run text := 'template/' || p_charger_id || '/' || p_pass;
    given public.charger_templates;
begin
    update public.charger_templates set run = v_run, state = 'reading', state_at = now()
    where charger_id = p_charger_id and (run is null or run not in (v_run, v_run || '-again'))
    returning * into given;
    if found then
        perform private.ask_for_template(given, 'read', 'GetConfiguration', '{}');
    end if;
end
$$;

-- As before, but that no answer is no refusal: such a pass waits to be taken up.
create or replace function private.continue_template(p_command public.commands) returns void
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
                  and starts_with(m.idempotency_key, given.run || '/')
                  and (m.status in ('queued', 'sent') or m.status in ('timed_out', 'expired') and given.run !~ '-again$')) then
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

-- What becomes of a pass that stands still: `again` once, when it is connected; `failed` the second time, and where
-- a restart was refused or did not come. Null: it goes on by itself, or its charger is away.
create function private.stuck_template(p_given public.charger_templates) returns text
language sql stable set search_path = '' as $$
    select case
        when p_given.state = 'rebooting' then (
            select 'failed' from public.commands m
            where m.charger_id = p_given.charger_id and m.requested_by is null and m.idempotency_key = p_given.run || '/reset'
              and (m.status in ('rejected', 'failed', 'expired') or m.effect = 'no_effect'
                   or (m.status = 'timed_out' and m.effect = 'none' and m.sent_at < now() - interval '10 minutes')))
        when p_given.state not in ('reading', 'changing') or exists (
            select from public.commands m
            where m.charger_id = p_given.charger_id and m.requested_by is null
              and starts_with(m.idempotency_key, p_given.run || '/') and m.status in ('queued', 'sent')) then null
        when p_given.run ~ '-again$' then 'failed'
        when private.is_connected(p_given.charger_id) then 'again' end
$$;

-- The clock's part: takes up a pass that no command keeps going, once, and then gives it up. Returns how many.
create function public.take_up_templates() returns integer
language plpgsql set search_path = '' as $$
declare
    v_charger text;
    given public.charger_templates;
    v_next text;
    moved integer := 0;
begin
    for v_charger in select g.charger_id from public.charger_templates g
                     where g.state in ('reading', 'changing', 'rebooting') and private.stuck_template(g) is not null
    loop
        select * into given from public.charger_templates where charger_id = v_charger for update skip locked;
        continue when not found;
        v_next := private.stuck_template(given);  -- looked at anew: an answer or a boot may have come meanwhile
        continue when v_next is null;
        update public.charger_templates set state = case v_next when 'again' then 'reading' else v_next end, state_at = now(),
            run = case v_next when 'again' then run || '-again' else run end
        where charger_id = v_charger returning * into given;
        if v_next = 'again' then
            perform private.ask_for_template(given, 'read', 'GetConfiguration', '{}');
        end if;
        moved := moved + 1;
    end loop;
    return moved;
end
$$;
create index charger_templates_under_way on public.charger_templates (charger_id)
    where state in ('reading', 'changing', 'rebooting');

revoke execute on function private.stuck_template(public.charger_templates), public.take_up_templates() from public;
grant execute on function private.stuck_template(public.charger_templates), public.take_up_templates() to service_role;
