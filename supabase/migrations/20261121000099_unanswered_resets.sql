-- [{charger_id, vendor, model, serial_number, firmware_version, iccid, imsi, meter_type,
--   meter_serial_number, protocol, at}] -> [{registration} | null]
create or replace function private.record_boots(p_rows json) returns json
language plpgsql set search_path = '' as $$
begin
    with before as materialized (
        select c.id, c.last_boot_at, c.firmware_version
        from (select distinct charger_id from json_to_recordset(p_rows) as j(charger_id text)) r
        join public.chargers c on c.id = r.charger_id
    ), booted as (
        update public.chargers c set
            vendor = r.vendor, model = r.model,
            serial_number = coalesce(r.serial_number, c.serial_number),
            firmware_version = coalesce(r.firmware_version, c.firmware_version),
            iccid = coalesce(r.iccid, c.iccid), imsi = coalesce(r.imsi, c.imsi),
            meter_type = coalesce(r.meter_type, c.meter_type),
            meter_serial_number = coalesce(r.meter_serial_number, c.meter_serial_number),
            protocol = r.protocol, last_boot_at = r.at, updated_at = now()
        from json_to_recordset(p_rows) as r(charger_id text, vendor text, model text, serial_number text,
            firmware_version text, iccid text, imsi text, meter_type text, meter_serial_number text,
            protocol text, at timestamptz)
        where c.id = r.charger_id
        returning c.id, c.cpo_id, c.vendor, c.model, c.firmware_version, c.last_boot_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select n.last_boot_at, n.cpo_id, n.id, 'boot', 'booted', jsonb_strip_nulls(jsonb_build_object(
        'vendor', n.vendor, 'model', n.model, 'firmware_version', n.firmware_version,
        'firmware_before', nullif(b.firmware_version, n.firmware_version)))
    from booted n join before b on b.id = n.id
    where b.last_boot_at is distinct from n.last_boot_at;

    -- The effect of a Reset is the boot that follows it. Some chargers restart before they answer.
    update public.commands m set effect = 'observed', effect_at = r.at
    from json_to_recordset(p_rows) as r(charger_id text, at timestamptz)
    where m.charger_id = r.charger_id and m.action = 'Reset' and m.sent_at <= r.at
      and (m.effect = 'pending' or (m.status = 'sent' and m.effect = 'none')
           or (m.status = 'timed_out' and m.effect = 'none' and m.sent_at > r.at - interval '10 minutes'));

    return (
        select json_agg(case when c.id is null then null else json_build_object('registration', c.registration) end
                        order by r.position)
        from (select value ->> 'charger_id' as charger_id, ordinality as position
              from json_array_elements(p_rows) with ordinality) r
        left join public.chargers c on c.id = r.charger_id);
end
$$;
