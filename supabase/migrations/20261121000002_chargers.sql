-- Places and machines: stations, chargers, their sockets, their connectors, and the tokens that open them.

create table public.stations (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid not null references public.cpos (id),
    name text not null check (length(name) between 1 and 120),
    address text,
    city text,
    province text,
    latitude numeric(9, 6) check (latitude between -90 and 90),
    longitude numeric(9, 6) check (longitude between -180 and 180),
    timezone text not null default 'Asia/Jakarta',  -- IANA; days close in it
    site_type text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (cpo_id, name)
);

-- `id` is the OCPP identity, the last path segment of the charger's URL.
create table public.chargers (
    id text primary key check (length(id) between 1 and 48),
    cpo_id uuid references public.cpos (id),          -- null: discovered, waiting for approval
    station_id uuid references public.stations (id),
    name text,
    vendor text,
    model text,
    serial_number text,
    firmware_version text,
    iccid text,
    imsi text,
    meter_type text,
    meter_serial_number text,
    protocol text,
    current_type text check (current_type in ('AC', 'DC')),
    rated_power_w integer check (rated_power_w > 0),
    registration text not null default 'accepted' check (registration in ('accepted', 'pending', 'rejected')),
    discovered boolean not null default false,
    request_id uuid,                                 -- of the registration, which may be repeated unawares
    availability text not null default 'operative' check (availability in ('operative', 'inoperative')),
    password_hash text,
    -- What the charger says of itself as a whole (OCPP 1.6 connectorId 0); never a connector row.
    status text,
    error_code text,
    error_info text,
    vendor_error_code text,
    status_at timestamptz,
    last_boot_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    check (registration = 'pending' or discovered or cpo_id is not null)
) with (fillfactor = 80);
create index chargers_cpo on public.chargers (cpo_id, id);
create index chargers_station on public.chargers (station_id);

-- OCPP servers. A connection counts as live only while its node is heard of.
create table public.nodes (
    name text primary key,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    stats jsonb not null default '{}'
);

-- The newest socket of each charger. Late news of an older socket is told apart by `connection_id`.
create table public.connections (
    charger_id text primary key references public.chargers (id) on delete cascade,
    cpo_id uuid references public.cpos (id),
    connection_id uuid not null,
    node text not null,
    protocol text not null,
    remote_address text,
    connected_at timestamptz not null,
    disconnected_at timestamptz,
    last_seen_at timestamptz not null
) with (fillfactor = 70);
create index connections_node on public.connections (node) where disconnected_at is null;
create index connections_cpo on public.connections (cpo_id);

create table public.connectors (
    charger_id text not null references public.chargers (id) on delete cascade,
    evse_id integer not null check (evse_id > 0),
    connector_id integer not null check (connector_id > 0),
    cpo_id uuid references public.cpos (id),
    status text,
    error_code text,
    error_info text,
    vendor_error_code text,
    status_at timestamptz,            -- by the charger's clock, when it can be believed
    status_received_at timestamptz,
    primary key (charger_id, evse_id, connector_id)
) with (fillfactor = 80);
create index connectors_cpo on public.connectors (cpo_id);

-- A token of a CPO opens that CPO's chargers; one without CPO (EMSV's) opens all.
create table public.id_tokens (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    token text not null check (length(token) between 1 and 255),
    token_key text not null generated always as (lower(token)) stored,  -- OCPP 1.6 §7.28: case-insensitive
    kind text not null default 'rfid' check (kind in ('rfid', 'app', 'remote')),
    status text not null default 'active' check (status in ('active', 'blocked')),
    expires_at timestamptz,           -- may lie in the past: then the token is Expired
    parent_token text,
    holder_name text,
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique nulls not distinct (cpo_id, token_key)
);
create index id_tokens_key on public.id_tokens (token_key);

call private.protect('public.stations', array['cpo_admin']);
call private.protect('public.chargers', array['cpo_admin']);
call private.protect('public.connections', array[]::text[]);
call private.protect('public.connectors', array['cpo_admin']);
call private.protect('public.id_tokens', array['cpo_admin', 'cpo_operator', 'integrator']);

-- A foreign key looks past the row policies, so a tenant could hang its row on another tenant's machine.
create policy at_own_station_inserted on public.chargers as restrictive for insert to authenticated with check (
    station_id is null or exists (
        select 1 from public.stations p where p.id = station_id and p.cpo_id is not distinct from chargers.cpo_id));
create policy at_own_station_updated on public.chargers as restrictive for update to authenticated using (true)
    with check (station_id is null or exists (
        select 1 from public.stations p where p.id = station_id and p.cpo_id is not distinct from chargers.cpo_id));
create policy of_own_charger_inserted on public.connectors as restrictive for insert to authenticated with check (
    exists (select 1 from public.chargers c where c.id = charger_id and c.cpo_id is not distinct from connectors.cpo_id));
create policy of_own_charger_updated on public.connectors as restrictive for update to authenticated using (true)
    with check (
    exists (select 1 from public.chargers c where c.id = charger_id and c.cpo_id is not distinct from connectors.cpo_id));

alter table public.nodes enable row level security;
create policy all_read on public.nodes for select to authenticated using (true);

grant select, insert, update, delete on public.stations, public.chargers, public.nodes, public.connections,
    public.connectors, public.id_tokens to service_role;
grant select, insert, update, delete on public.stations, public.connectors, public.id_tokens to authenticated;
grant select (id, cpo_id, station_id, name, vendor, model, serial_number, firmware_version, iccid, imsi, meter_type,
        meter_serial_number, protocol, current_type, rated_power_w, registration, discovered, request_id, availability,
        status, error_code, error_info, vendor_error_code, status_at, last_boot_at, created_at, updated_at),
    insert, update, delete on public.chargers to authenticated;
grant select on public.nodes, public.connections to authenticated;
