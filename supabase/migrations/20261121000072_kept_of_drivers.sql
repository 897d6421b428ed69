-- What is kept of a driver, in figures: for whoever asks about their data, and before it is erased.
-- {sessions, running, energy_wh, first_at, last_at, login: {user_id, email, active, created_at, last_login_at} or null}.
-- Runs as its owner, as the export does. Error: driver_not_found.
create function public.driver_figures(p_driver_id uuid) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
    v_user uuid;
begin
    select user_id into v_user from public.drivers where id = p_driver_id and private.answers_for_driver(p_driver_id);
    if not found then
        perform private.refuse_driver();
    end if;
    return (select json_build_object('sessions', count(*), 'running', count(*) filter (where s.stopped_at is null),
            'energy_wh', coalesce(sum(s.energy_wh), 0), 'first_at', min(s.started_at), 'last_at', max(s.started_at),
            'login', (select json_build_object('user_id', u.id, 'email', u.email, 'active', u.active,
                          'created_at', u.created_at, 'last_login_at', u.last_login_at)
                      from public.users u where u.id = v_user))
        from private.sessions_of(p_driver_id, private.token_keys(p_driver_id)) s);
end
$$;
revoke execute on function public.driver_figures(uuid) from public;
grant execute on function public.driver_figures(uuid) to authenticated, service_role;
