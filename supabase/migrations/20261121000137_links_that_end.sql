-- A link to firmware served the whole file any number of times for a day, also when its job had long failed. It ends with
-- its job, and half an hour after the whole file has left here: meanwhile what was lost on the way, or did not pass the
-- charger's check, may be fetched again. Which bytes have left is counted, not requests: chargers ask for the head first,
-- fetch in parts, several at once or the last one first, and go on where a lost connection left them.

alter table public.firmware_jobs add column served int8multirange not null default '{}';  -- bytes of the file

-- As before, but only while the job is under way. A command that got no answer may have come to the charger.
create or replace function public.open_download(p_token_hash text) returns json
language sql set search_path = '' as $$
    with job as (
        update public.firmware_jobs set fetches = fetches + 1, fetched_at = now()
        where token_hash = p_token_hash and link_expires_at > now()
          and (status in ('queued', 'accepted', 'downloading', 'downloaded', 'installing')
               or (status = 'timed_out' and effect = 'pending'))
        returning firmware_file_id, token_hash
    )
    select row_to_json(t) from (
        select f.content_name, f.name, f.size_bytes, f.sha256, j.token_hash
        from job j join public.firmware_files f on f.id = j.firmware_file_id) t
$$;

-- These bytes of the file have left. With the last of them the link's time is nearly over.
create function public.note_served(p_token_hash text, p_start bigint, p_length bigint) returns void
language sql set search_path = '' as $$
    update public.firmware_jobs j set served = j.served + s.part, link_expires_at = case
        when j.served + s.part @> int8range(0, f.size_bytes) then least(j.link_expires_at, now() + interval '30 minutes')
        else j.link_expires_at end
    from public.firmware_files f, (select int8multirange(int8range(p_start, p_start + p_length)) as part) s
    where j.token_hash = p_token_hash and f.id = j.firmware_file_id and not j.served @> s.part
$$;

revoke execute on function public.note_served(text, bigint, bigint) from public;
grant execute on function public.note_served(text, bigint, bigint) to service_role;
