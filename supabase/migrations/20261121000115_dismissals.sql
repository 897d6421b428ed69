-- Which chargers' credentials have changed: the servers ask at each beat, and close the sockets that the gate would not let
-- in any more. Before, a revoked certificate was noticed when the charger's turn among the life signs came, and a password
-- that was replaced by hand, or a profile that was raised, not at all. One row a change; whether a socket still holds is
-- judged by the server that has it, by what it showed at the gate.
create table private.credential_changes (
    charger_id text not null,  -- it may be gone
    changed_at timestamptz not null default clock_timestamp()
);
create index credential_changes_at on private.credential_changes (changed_at);
grant select, insert, delete on private.credential_changes to service_role;

-- Runs as its owner: people change chargers, and may not read who else did.
create function private.note_credential_change() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if tg_table_name = 'cpos' then
        insert into private.credential_changes (charger_id) select id from public.chargers where cpo_id = new.id;
    elsif tg_table_name = 'chargers' then
        insert into private.credential_changes (charger_id) values (old.id);
    else
        insert into private.credential_changes (charger_id) values (old.charger_id);
    end if;
    return null;
end
$$;
revoke execute on function private.note_credential_change() from public;

create trigger note_credentials after update of password_hash, security_profile on public.chargers for each row
    when (old.password_hash is distinct from new.password_hash or old.security_profile <> new.security_profile)
    execute function private.note_credential_change();
create trigger note_removal after delete on public.chargers for each row execute function private.note_credential_change();
create trigger note_removal after delete on public.charger_keys for each row execute function private.note_credential_change();
create trigger note_revocation after update of state on public.certificates for each row
    when (old.state in ('issued', 'installed') and new.state not in ('issued', 'installed'))
    execute function private.note_credential_change();
create trigger note_closing after update of status on public.cpos for each row
    when (old.status <> 'closed' and new.status = 'closed') execute function private.note_credential_change();

-- {at, changes: [[charger_id, changed_at]]}: what changed since p_since, the `at` of the last call; null at the first. A
-- minute more is told each time: a transaction may end after one that began later, and a handshake may have read before.
create function public.changed_credentials(p_since timestamptz) returns json
language sql stable set search_path = '' set enable_seqscan = off as $$
    select json_build_object('at', now(), 'changes', coalesce(json_agg(json_build_array(charger_id, changed_at)), '[]'))
    from (select charger_id, max(changed_at) as changed_at from private.credential_changes
          where changed_at > coalesce(p_since, now()) - interval '1 minute' group by charger_id) c
$$;
revoke execute on function public.changed_credentials(timestamptz) from public;
grant execute on function public.changed_credentials(timestamptz) to service_role;

-- As before, but of the certificates that are not confirmed only those that still may be (migration 110) count as a
-- renewal; and it forgets changes that every server has heard of.
create or replace function public.keep_security(p_renewal_days integer, p_profile_s integer) returns integer
language plpgsql set search_path = '' as $$
declare
    r record;
    done integer := 0;
begin
    for r in
        update public.certificates t set renewal_asked_at = now()
        from public.chargers c
        where c.id = t.charger_id and c.registration = 'accepted'
          and t.kind = 'ChargePointCertificate' and t.state = 'installed'
          and t.not_after between now() and now() + make_interval(days => p_renewal_days)
          and (t.renewal_asked_at is null or t.renewal_asked_at < now() - interval '1 day')
          and not exists (select from public.certificates n where n.charger_id = t.charger_id and n.kind = t.kind
                          and (n.state = 'installed' or private.may_be_confirmed(n)) and n.not_after > t.not_after)
        returning t.id, t.charger_id
    loop
        perform public.enqueue_command(r.charger_id, 'ExtendedTriggerMessage',
            '{"requestedMessage": "SignChargePointCertificate"}', 'renewal ' || r.id || ' ' || now(), true, 86400, 'UNIEV');
        done := done + 1;
    end loop;
    for r in
        update public.chargers c set wanted_profile_state = 'timed_out', wanted_profile_at = now()
        from public.commands m
        where m.id = c.wanted_profile_command_id and c.wanted_profile_state in ('asked', 'accepted')
          and (m.status in ('expired', 'timed_out')
               or m.status = 'accepted' and m.answered_at < now() - make_interval(secs => p_profile_s))
        returning c.id, c.wanted_profile, c.security_profile
    loop
        perform private.note_security(r.id, 'SecurityProfileTimedOut', format(
            'The charger did not come with profile %s; profile %s stays.', r.wanted_profile, r.security_profile));
        done := done + 1;
    end loop;
    delete from public.security_events where received_at < now() - interval '400 days';
    delete from public.certificate_requests where state <> 'waiting' and received_at < now() - interval '400 days';
    delete from private.credential_changes where changed_at < now() - interval '1 day';
    return done;
end
$$;
