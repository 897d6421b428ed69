-- A command that was claimed just as its charger left was never sent: it waits again until it expires, with the payload as it
-- was asked for (claiming hides secrets in it). A password that was made for it is made anew.
create function public.release_command(p_id uuid, p_payload jsonb) returns void
language sql set search_path = '' as $$
    with released as (
        update public.commands set status = 'queued', sent_at = null, sent_by = null, payload = p_payload
        where id = p_id and status = 'sent' returning id
    )
    delete from public.charger_keys where id in (select id from released)
$$;
revoke execute on function public.release_command(uuid, jsonb) from public;
grant execute on function public.release_command(uuid, jsonb) to service_role;
