-- The content of an uploaded log lies in the storage, not in the row that names it: with a charger that is deleted its jobs
-- went, and their contents stayed for ever. Whose row goes is noted here; the worker deletes the content, then the note.
create table public.contents_left_behind (
    content_name text primary key,
    left_at timestamptz not null default now()
);
alter table public.contents_left_behind enable row level security;  -- no policy: the platform alone
grant select, insert, update, delete on public.contents_left_behind to service_role;

-- Runs as its owner: whoever may delete a charger may not write here.
create function private.leave_content() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.contents_left_behind (content_name) values (old.content_name) on conflict do nothing;
    return null;
end
$$;
revoke execute on function private.leave_content() from public;
create trigger leave_content after delete on public.log_jobs
    for each row when (old.content_name is not null) execute function private.leave_content();
