-- A project may give every new table and function to everybody by itself: Supabase's own image does, and so did hosted
-- projects before the end of October 2026. There whoever held its public key could call what is the platform's alone
-- (`prune_audit`, `expire_data` run as their owner and know no row policies), and columns that are nobody's to read, such as
-- password hashes, were guarded by row policies only. From here on nothing is given but by name; where something was, it is
-- taken back and what the migrations before give is given anew. A database that gives nothing by itself stays as it is.

alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated;

do $$
declare
    one record;
begin
    if not has_function_privilege('anon', 'public.prune_audit(integer)', 'execute') then
        return;
    end if;
    revoke all on all tables in schema public from anon, authenticated;
    revoke all on all sequences in schema public from anon, authenticated;
    revoke execute on all functions in schema public from anon, authenticated;

    grant delete, insert, select, update on public.campaigns, public.charger_templates, public.charging_profiles,
        public.configuration_templates, public.connectors, public.id_tokens, public.normalising_rules, public.stations
        to authenticated;
    grant delete, insert, update on public.api_keys, public.chargers, public.users
        to authenticated;
    grant insert, select on public.commands
        to authenticated;
    grant insert, select, update on public.cpos, public.local_list_orders, public.local_lists
        to authenticated;
    grant select on public.audit_log, public.campaign_details, public.campaign_target_details, public.campaign_targets,
        public.certificates, public.charger_configuration, public.charger_events, public.charger_live,
        public.charger_quirks, public.charger_template_details, public.composite_schedules, public.configuration_changes,
        public.configuration_drift, public.configuration_reports, public.configuration_template_details, public.connections,
        public.connector_live, public.cpo_applications, public.cpo_documents, public.cpo_steps, public.driver_consents,
        public.driver_contacts, public.driver_cpos, public.driver_profiles, public.driver_tokens, public.firmware_files,
        public.firmware_jobs, public.firmware_quirks, public.gate_refusals, public.held_profile_details,
        public.held_profiles, public.local_list_entries, public.local_list_overview, public.log_jobs, public.meter_values,
        public.nodes, public.ocpp_messages, public.orphan_stops, public.reservations, public.revenue_shares,
        public.security_events, public.session_details, public.session_review_details, public.session_reviews,
        public.sessions, public.station_days, public.station_details
        to authenticated;
    grant select (id, cpo_id, kind, charger_id, remote_address, opened_at, last_seen_at, count, detail, closed_at)
        on public.alarms to authenticated;
    grant select (id, cpo_id, name, role, prefix, created_by, created_at, expires_at, last_used_at, revoked_at, scopes,
        requests_per_minute, replaced_by)
        on public.api_keys to authenticated;
    grant select (id, cpo_id, charger_id, sent_at, accepted_at)
        on public.charger_keys to authenticated;
    grant select (id, cpo_id, station_id, name, vendor, model, serial_number, firmware_version, iccid, imsi, meter_type,
        meter_serial_number, protocol, current_type, rated_power_w, registration, discovered, request_id, availability,
        status, error_code, error_info, vendor_error_code, status_at, last_boot_at, created_at, updated_at,
        security_profile, wanted_profile, wanted_profile_state, wanted_profile_at, wanted_profile_command_id, has_password,
        password_changed_at, tags)
        on public.chargers to authenticated;
    grant select (id, name, car, battery_wh, created_at, updated_at, erased_at)
        on public.drivers to authenticated;
    grant select (id, cpo_id, email, name, role, locale, driver_id, invited_by, invited_by_name, created_at, expires_at,
        accepted_at, revoked_at)
        on public.invitations to authenticated;
    grant select (id, cpo_id, email, name, role, active, locale, last_login_at, created_at, updated_at, second_factor)
        on public.users to authenticated;
    grant usage on sequence public.job_request_id, public.reservation_number to authenticated;

    grant execute on function public.schema_version() to anon;
    for one in select p.oid::regprocedure::text as name from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname in (
            'begin_template', 'change_driver', 'charger_security', 'charger_timeline', 'count_list_differences',
            'count_reviews', 'count_sessions', 'create_charging_profile', 'create_job', 'daily_energy',
            'dashboard_overview', 'decide_session', 'driver_figures', 'driver_sessions', 'enqueue_command', 'erase_driver',
            'export_driver', 'hold_token', 'message_exchanges', 'message_frames', 'operator_figures',
            'raise_security_profile', 'record_audit', 'record_consent', 'register_charger', 'register_driver',
            'release_token', 'reserve_connector', 'rotate_api_key', 'schema_version', 'send_local_list',
            'session_readings', 'set_cpo_settings', 'set_security_profile', 'station_live', 'station_map')
    loop
        execute format('grant execute on function %s to authenticated', one.name);
    end loop;

    -- What is only ever added to stays so for the platform as well.
    revoke all on public.audit_log, public.audit_chains, public.certificate_authority, public.driver_consents,
        public.charger_events from service_role;
    grant select, insert on public.audit_log, public.certificate_authority, public.driver_consents to service_role;
    grant update (root_key, issuing_key) on public.certificate_authority to service_role;
    grant select, insert, delete on public.charger_events to service_role;
    grant select on public.audit_chains to service_role;
end
$$;
