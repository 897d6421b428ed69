-- Applications that came to nothing are forgotten: drafts and questions that nobody touched for long, refusals after a time
-- in which they may be disputed. Of an approved CPO all is kept.

create function private.application_overdue(p_application public.cpo_applications, p_draft_days integer,
    p_refused_days integer) returns boolean
language sql stable set search_path = '' as $$
    select case when p_application.state in ('draft', 'questioned')
                then p_application.updated_at < now() - make_interval(days => p_draft_days)
                when p_application.state = 'refused'
                then p_application.updated_at < now() - make_interval(days => p_refused_days)
                else false end
$$;

-- [{cpo_id, contents}]: their contents are deleted before `drop_cpo_application` forgets the rest.
create function public.overdue_cpo_applications(p_draft_days integer, p_refused_days integer, p_limit integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_object('cpo_id', a.cpo_id, 'contents', a.contents)), '[]') from (
        select o.cpo_id, array(select d.content_name from public.cpo_documents d where d.cpo_id = o.cpo_id) as contents
        from public.cpo_applications o where private.application_overdue(o, p_draft_days, p_refused_days)
        order by o.updated_at limit p_limit) a
$$;

create function public.drop_cpo_application(p_cpo_id uuid, p_draft_days integer, p_refused_days integer) returns void
language plpgsql set search_path = '' as $$
declare
    application public.cpo_applications;
begin
    select * into application from public.cpo_applications where cpo_id = p_cpo_id for update;
    if not found or not private.application_overdue(application, p_draft_days, p_refused_days) then
        return;
    end if;
    delete from public.cpo_steps where cpo_id = p_cpo_id;
    delete from public.cpo_registrations where email = application.email;
    delete from public.cpo_applications where cpo_id = p_cpo_id;
end
$$;

-- Addresses that never came to an application, codes long past, and tokens that have run out. Returns how many.
create function public.forget_cpo_registrations(p_keep_days integer) returns integer
language sql set search_path = '' as $$
    with addresses as (
        delete from public.cpo_registrations where code_expires_at < now() - make_interval(days => p_keep_days) returning 1
    ), tokens as (
        delete from public.cpo_applicant_tokens where expires_at < now() returning 1
    )
    select (select count(*) from addresses)::integer + (select count(*) from tokens)::integer
$$;

revoke execute on function private.application_overdue(public.cpo_applications, integer, integer),
    public.overdue_cpo_applications(integer, integer, integer), public.drop_cpo_application(uuid, integer, integer),
    public.forget_cpo_registrations(integer) from public;
grant execute on function private.application_overdue(public.cpo_applications, integer, integer),
    public.overdue_cpo_applications(integer, integer, integer), public.drop_cpo_application(uuid, integer, integer),
    public.forget_cpo_registrations(integer) to service_role;
