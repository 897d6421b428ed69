-- Charging sessions and what the meters said.

create table public.sessions (
    id uuid primary key default gen_random_uuid(),
    -- The number OCPP 1.6 knows the session by: one sequence for all, so it survives restarts and never
    -- collides between connectors.
    transaction_id integer generated always as identity unique,
    cpo_id uuid references public.cpos (id),
    station_id uuid references public.stations (id),
    charger_id text not null references public.chargers (id),
    evse_id integer not null,
    connector_id integer not null,
    protocol text not null,
    id_token text not null,
    parent_token text,
    start_key text not null unique,           -- what makes a repeated StartTransaction the same one
    started_at timestamptz not null,          -- the charger's clock if it can be believed, else receipt
    start_received_at timestamptz not null,
    meter_start_wh numeric(15, 3) not null,
    stopped_at timestamptz,
    stop_received_at timestamptz,
    meter_stop_wh numeric(15, 3),
    stop_reason text,
    stop_id_token text,
    superseded boolean not null default false,  -- closed by us because the connector began another session
    energy_wh numeric(15, 3),                 -- set at stop; never negative
    last_register_wh numeric(15, 3),
    last_power_w numeric(12, 3),
    last_soc_percent numeric(5, 2),
    last_reading_at timestamptz,
    review_reasons text[] not null default '{}',  -- not empty: held, not billed
    command_id uuid,                          -- the remote start it answers
    created_at timestamptz not null default now()
) with (fillfactor = 70);
create index sessions_newest on public.sessions (started_at desc, id desc);
create index sessions_cpo on public.sessions (cpo_id, started_at desc, id desc);
create index sessions_station on public.sessions (station_id, started_at desc, id desc);
create index sessions_connector on public.sessions (charger_id, evse_id, connector_id, started_at desc, id desc);
create index sessions_token on public.sessions (lower(id_token), started_at desc, id desc);
create index sessions_open on public.sessions (charger_id, evse_id, connector_id) where stopped_at is null;
create index sessions_open_token on public.sessions (lower(id_token)) where stopped_at is null;
create index sessions_station_stop on public.sessions (station_id, stopped_at);

-- A StopTransaction whose session nobody began here (unknown id, 0 or -1): kept as evidence, never billed.
create table public.orphan_stops (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    transaction_id bigint not null,
    id_token text,
    meter_stop_wh numeric(15, 3),
    stopped_at timestamptz not null,
    stop_reason text,
    reported_at text not null,
    received_at timestamptz not null,
    unique nulls not distinct (charger_id, transaction_id, reported_at, meter_stop_wh)
);
create index orphan_stops_cpo on public.orphan_stops (cpo_id);

-- One row per MeterValue: the usual measurands in columns, every other sample in `samples`
-- as [measurand, phase, location, context, unit, value].
create table public.meter_values (
    cpo_id uuid,
    charger_id text not null,
    evse_id integer not null,               -- 0: main meter of the charger
    connector_id integer not null,
    session_id uuid,
    measured_at timestamptz not null,
    received_at timestamptz not null,
    context text,
    energy_wh numeric(15, 3),
    power_w numeric(12, 3),
    current_a numeric(9, 3),
    voltage_v numeric(9, 3),
    soc_percent numeric(5, 2),
    temperature_c numeric(6, 2),
    samples json,
    digest bigint not null                  -- of charger, connector and content: a repeated message is stored once
) partition by range (measured_at);
create table public.meter_values_default partition of public.meter_values default;
create index meter_values_default_at on public.meter_values_default (measured_at);  -- for upkeep
create unique index meter_values_once on public.meter_values (session_id, measured_at, digest) nulls not distinct;

-- Closed days per station, in the station's zone; dashboards read these, not raw sessions.
create table public.station_days (
    station_id uuid not null references public.stations (id) on delete cascade,
    day date not null,
    cpo_id uuid not null references public.cpos (id),
    sessions integer not null,
    energy_wh numeric(15, 3) not null,
    updated_at timestamptz not null default now(),
    primary key (station_id, day)
);
create index station_days_cpo on public.station_days (cpo_id, day);

call private.protect('public.sessions', array[]::text[]);
call private.protect('public.orphan_stops', array[]::text[]);
call private.protect('public.meter_values', array[]::text[]);
call private.protect('public.meter_values_default', array[]::text[]);
call private.protect('public.station_days', array[]::text[]);

grant select, insert, update, delete on public.sessions, public.orphan_stops, public.meter_values,
    public.station_days to service_role;
grant select on public.sessions, public.orphan_stops, public.meter_values, public.station_days to authenticated;
