-- What `supabase db advisors` found, and its neighbours that it does not look for.

-- Tables that name functions name them in words. A column of type regprocedure holds a number that the next major
-- version of PostgreSQL gives to another function, so pg_upgrade refuses such a database: a hosted project could never
-- be brought to a newer PostgreSQL. A name that leads nowhere is refused as before.
create function private.full_name(p_function regprocedure) returns text
language sql stable set search_path = '' as 'select p_function::text';

-- A reaction: the function's full name with the types of its arguments.
alter table private.answer_reactions alter column reaction type text using private.full_name(reaction),
    add check (to_regprocedure(reaction) is not null);
alter table private.report_reactions alter column reaction type text using private.full_name(reaction),
    add check (to_regprocedure(reaction) is not null);
-- The three of a kind of campaign: the name alone, as campaigns call them.
alter table private.campaign_kinds
    alter column preview type text using split_part(private.full_name(preview), '(', 1),
    alter column begin type text using split_part(private.full_name(begin), '(', 1),
    alter column look type text using split_part(private.full_name(look), '(', 1),
    add check (to_regproc(preview) is not null and to_regproc(begin) is not null and to_regproc(look) is not null);
drop function private.full_name(regprocedure);

create or replace function private.record_reports(p_rows json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    for r in
        select x.charger_id, x.payload, x.received_at, t.reaction::regprocedure::regproc as reaction
        from json_to_recordset(p_rows) as x(charger_id text, action text, payload jsonb, received_at timestamptz)
        join private.report_reactions t on t.action = x.action
        join public.chargers c on c.id = x.charger_id
    loop
        execute format('select %s($1, $2, $3)', r.reaction) using r.charger_id, r.payload, r.received_at;
    end loop;
end
$$;

-- Tools of migrations and of triggers: nobody calls them.
revoke execute on function private.keep_second_factor(), private.end_logins_of_changed_user() from public;
revoke execute on procedure private.protect(regclass, text[]) from public;
