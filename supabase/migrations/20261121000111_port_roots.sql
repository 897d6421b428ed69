-- A charger was raised to TLS when it had any root, also one that the TLS port's certificate does not rest on: it could not
-- verify the port, and stayed away. Each server tells which roots its certificates rest on; a charger must hold those.

-- What the servers with a port for TLS serve: {subject, issuer, not_after, root}; null for one that tells nothing.
create function private.served_certificates() returns setof jsonb
language sql stable set search_path = '' as $$
    select s.value from public.nodes n left join lateral jsonb_array_elements(n.stats -> 'tls_certificates') s on true
    where n.seen_at > now() - interval '30 seconds' and n.stats ->> 'tls_port' is not null
$$;

-- Is this root installed? {serial_number, fingerprint, hashes: {algorithm: {name, key}}}. Chargers name a root by hashes of
-- an algorithm of their choice; some hash the key in another form, so a fingerprint that is known says it as well.
create function private.holds_root(p_charger_id text, p_root jsonb) returns boolean
language sql stable set search_path = '' as $$
    select exists (select from public.certificates t
        where t.charger_id = p_charger_id and t.kind = 'CentralSystemRootCertificate' and t.state = 'installed'
          and coalesce(t.not_after > now(), true) and t.serial_number = p_root ->> 'serial_number'
          and lower(t.issuer_name_hash) = p_root #>> array['hashes', t.hash_algorithm, 'name']
          and (lower(t.issuer_key_hash) = p_root #>> array['hashes', t.hash_algorithm, 'key']
               or t.fingerprint = p_root ->> 'fingerprint'))
$$;

-- Does the charger hold each root that the port's certificates rest on? It may be shown any of them. While no server has
-- such a port that cannot be told: then any root will do, and `tls` stands in the way.
create function private.trusts_port(p_charger_id text) returns boolean
language sql stable set search_path = '' as $$
    select coalesce(
        (select bool_and(private.holds_root(p_charger_id, s -> 'root')) from private.served_certificates() as s),
        exists (select from public.certificates t where t.charger_id = p_charger_id
                and t.kind = 'CentralSystemRootCertificate' and t.state = 'installed' and coalesce(t.not_after > now(), true)))
$$;

-- As before, but that the root must be the port's.
create or replace function private.profile_obstacles(p_charger_id text, p_profile integer) returns text[]
language sql stable set search_path = '' as $$
    select array_remove(array[
        case when p_profile in (1, 2) and not c.has_password
             and not exists (select from public.charger_keys k where k.charger_id = c.id and k.accepted_at is not null)
             then 'password' end,
        case when p_profile >= 2 and not private.offers_tls() then 'tls' end,
        case when p_profile >= 2 and not private.trusts_port(c.id) then 'root_certificate' end,
        case when p_profile = 3 and not exists (
             select from public.certificates t where t.charger_id = c.id and t.kind = 'ChargePointCertificate'
             and t.state = 'installed' and now() between t.not_before and t.not_after) then 'client_certificate' end], null)
    from public.chargers c where c.id = p_charger_id
$$;

-- The root to give a charger next, of those that the port's certificates rest on: {pem, issuer}; pem null: the platform does
-- not have it. Null while no server has a port for TLS.
create function public.port_root(p_charger_id text) returns json
language sql stable set search_path = '' as $$
    select json_build_object('pem', s #>> '{root,pem}', 'issuer', coalesce(s ->> 'issuer', 'not told'))
    from private.served_certificates() as s
    order by private.holds_root(p_charger_id, s -> 'root'), s #>> '{root,pem}' is null, s #>> '{root,pem}' limit 1
$$;

-- A template is no way around the obstacles.
update public.configuration_templates t set updated_at = now(), settings = (
    select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(t.settings)
    where lower(btrim(key)) <> 'securityprofile')
where exists (select from jsonb_object_keys(t.settings) as key where lower(btrim(key)) = 'securityprofile');
alter table public.configuration_templates add constraint configuration_templates_no_profile
    check (not jsonb_path_exists(settings, '$.keyvalue() ? (@.key like_regex "^\\s*securityprofile\\s*$" flag "i")'));

revoke execute on function private.served_certificates(), private.holds_root(text, jsonb), private.trusts_port(text),
    public.port_root(text) from public;
grant execute on function private.served_certificates(), private.holds_root(text, jsonb), private.trusts_port(text)
    to authenticated, service_role;
grant execute on function public.port_root(text) to service_role;
