-- Keys of programs: narrowed to scopes, with a rate of their own, exchanged with an overlap.

alter table public.api_keys
    add column scopes text[],  -- permissions; null: all that the role has
    add column requests_per_minute integer check (requests_per_minute between 1 and 1000000),
    add column replaced_by uuid references public.api_keys (id) on delete set null;
grant select (scopes, requests_per_minute, replaced_by) on public.api_keys to authenticated;

-- A successor of a key, like it in all but the secret; the former one ends after p_overlap_s, or sooner if it was to.
-- Asking again with the same p_id changes nothing. Errors: api_key_not_found, api_key_conflict.
create function public.rotate_api_key(p_key_id uuid, p_id uuid, p_prefix text, p_key_hash text, p_expires_at timestamptz,
    p_overlap_s integer) returns void
language plpgsql set search_path = '' as $$
declare
    former record;
begin
    select id, cpo_id, name, role, scopes, requests_per_minute, expires_at, revoked_at, replaced_by into former
    from public.api_keys where id = p_key_id for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such API key.', hint = 'api_key_not_found';
    end if;
    if former.replaced_by = p_id then
        return;  -- the answer to the first was lost on the way
    end if;
    if former.revoked_at is not null or former.expires_at <= now() or former.replaced_by is not null then
        raise exception using errcode = 'P0001', hint = 'api_key_conflict',
            message = 'The key has ended or was exchanged already.';
    end if;
    insert into public.api_keys (id, cpo_id, name, role, scopes, requests_per_minute, prefix, key_hash, created_by, expires_at)
    values (p_id, former.cpo_id, former.name, former.role, former.scopes, former.requests_per_minute, p_prefix, p_key_hash,
        private.user_id(), p_expires_at);
    update public.api_keys set replaced_by = p_id,
        expires_at = least(expires_at, now() + make_interval(secs => p_overlap_s))
    where id = p_key_id;
end
$$;
revoke execute on function public.rotate_api_key(uuid, uuid, text, text, timestamptz, integer) from public;
grant execute on function public.rotate_api_key(uuid, uuid, text, text, timestamptz, integer) to authenticated, service_role;
