-- The password of somebody else's server (ftp://user:password@host/…) travels to the charger and is shown to nobody: before,
-- it stayed in commands, in jobs and in the audit log, to be read by whoever reads those.

-- As backend.domain.configuration does it: a password that bears a slash ends at the last @; a port alone is none.
create function private.link_without_password(p_text text) returns text
language sql immutable set search_path = '' as $$
    select case when p_text like '%://%:%@%' then regexp_replace(p_text,
        '(://[^\s/?#@:\[]*:)(?:[^\s/?#]*@|(?!\d{0,5}(?:[/?#\s]|$))(?![^\s/?#]*@)[^\s]*@)', '\1***@', 'g') else p_text end
$$;

-- The same for every text in a JSON value.
create function private.without_url_passwords(p_value jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
    return case when p_value is null or p_value::text not like '%://%:%@%' then p_value
        when jsonb_typeof(p_value) = 'object' then
            (select jsonb_object_agg(key, private.without_url_passwords(value)) from jsonb_each(p_value))
        when jsonb_typeof(p_value) = 'array' then
            (select jsonb_agg(private.without_url_passwords(value) order by n)
             from jsonb_array_elements(p_value) with ordinality as e(value, n))
        else to_jsonb(private.link_without_password(p_value #>> '{}')) end;
end
$$;

-- As before, of whatever is asked, and without the passwords in links.
create or replace function private.shown_payload(p_action text, p_payload jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select case when p_action = 'ChangeConfiguration' and p_payload ->> 'key' ~* 'authorizationkey|password|secret'
                then p_payload || '{"value": "***"}'
                else private.without_url_passwords(
                    regexp_replace(p_payload::text, '(/files/(firmware|uploads)/)[\w-]{16,}', '\1***', 'g')::jsonb) end
$$;

-- As before; a value that is shown without its password is the one that was wanted with it.
create or replace function private.plain_setting(p_value text) returns text
language sql immutable set search_path = '' as $$
    select case when lower(btrim(p_value)) in ('true', 'false') then lower(btrim(p_value))
                else regexp_replace(btrim(private.link_without_password(p_value)), '\s*,\s*', ',', 'g') end
$$;

-- As before; of a link that somebody entered (a campaign's, a template's) the password is not told.
create or replace function private.audit_shown(p_column text, p_value jsonb, p_hidden text[]) returns jsonb
language sql immutable set search_path = '' as $$
    select case when p_value <> 'null' and (p_column = any (p_hidden) or p_column ~ '(_hash|_sealed|password|secret)')
                then '"***"' else private.without_url_passwords(p_value) end
$$;

revoke execute on function private.link_without_password(text), private.without_url_passwords(jsonb) from public;
grant execute on function private.link_without_password(text), private.without_url_passwords(jsonb)
    to authenticated, service_role;

-- What was kept so far; the message log goes with its days.
update public.commands set payload = private.shown_payload(action, payload)
where status <> 'queued' and payload::text like '%://%:%@%';
update public.firmware_jobs set location = private.link_without_password(location) where location like '%://%:%@%';
update public.log_jobs set location = private.link_without_password(location) where location like '%://%:%@%';
update public.charger_configuration set value = private.link_without_password(value),
    pending_value = private.link_without_password(pending_value)
where value like '%://%:%@%' or pending_value like '%://%:%@%';
update public.configuration_changes set old_value = private.link_without_password(old_value),
    new_value = private.link_without_password(new_value)
where old_value like '%://%:%@%' or new_value like '%://%:%@%';
