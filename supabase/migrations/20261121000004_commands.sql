-- What we ask of chargers, what passed over the wire, what others should hear, and who did what.

create table public.commands (
    id uuid primary key default gen_random_uuid(),
    seq bigint generated always as identity,
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    action text not null,
    payload jsonb not null,
    status text not null default 'queued'
        check (status in ('queued', 'sent', 'accepted', 'rejected', 'failed', 'timed_out', 'expired')),
    effect text not null default 'none' check (effect in ('none', 'pending', 'observed', 'no_effect')),
    effect_session_id uuid,
    effect_at timestamptz,
    response jsonb,
    error_code text,
    error_description text,
    requested_by uuid,
    requested_by_name text,
    idempotency_key text check (length(idempotency_key) between 1 and 200),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    sent_at timestamptz,
    sent_by text,
    answered_at timestamptz
) with (fillfactor = 70);
create unique index commands_idempotency on public.commands (requested_by, idempotency_key)
    nulls not distinct where idempotency_key is not null;
create index commands_queue on public.commands (charger_id, seq) where status = 'queued';
create index commands_unsettled on public.commands (status, sent_at) where status in ('queued', 'sent');
create index commands_pending_effect on public.commands (charger_id, action) where effect <> 'observed' and effect <> 'no_effect';
create index commands_availability on public.commands (charger_id, seq) where action = 'ChangeAvailability';
create index commands_charger on public.commands (charger_id, created_at desc, id desc);
create index commands_cpo on public.commands (cpo_id, created_at desc, id desc);
create index commands_newest on public.commands (created_at desc, id desc);

create sequence public.ocpp_message_id;
create table public.ocpp_messages (
    id bigint not null default nextval('public.ocpp_message_id'),
    at timestamptz not null,
    cpo_id uuid,
    charger_id text not null,
    direction text not null,                -- in: from the charger; out: to it
    kind text not null,                     -- call, result, error; bad: not an OCPP frame
    action text,
    pair_id text,                           -- message id that joins a call with its answer
    latency_ms real,                        -- on answers: since the call
    payload text not null                   -- the frame as it was on the wire (bad ones cut)
) partition by range (at);
create table public.ocpp_messages_default partition of public.ocpp_messages default;
create index ocpp_messages_default_at on public.ocpp_messages_default (at);  -- for upkeep; mostly empty
create index ocpp_messages_charger on public.ocpp_messages (charger_id, at desc, id desc);

-- Written in the transaction of the fact it tells; relayed by the worker.
create table public.outbox (
    id bigint generated always as identity primary key,
    cpo_id uuid,
    topic text not null,
    payload jsonb not null,
    created_at timestamptz not null default now(),
    claimed_until timestamptz,
    published_at timestamptz
);
create index outbox_waiting on public.outbox (id) where published_at is null;

create table public.audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    cpo_id uuid,
    actor_id uuid,
    actor_name text,
    actor_role text,
    action text not null,
    object_type text not null,
    object_id text,
    before jsonb,
    after jsonb,
    request_id text
);
create index audit_log_cpo on public.audit_log (cpo_id, id desc);

call private.protect('public.commands', array['cpo_admin', 'cpo_operator', 'integrator']);
call private.protect('public.ocpp_messages', array[]::text[]);
call private.protect('public.ocpp_messages_default', array[]::text[]);
call private.protect('public.audit_log', array['cpo_admin', 'cpo_operator', 'integrator']);
-- Whoever could name another tenant's charger here would have it obeyed.
create policy to_own_charger on public.commands as restrictive for insert to authenticated with check (
    exists (select 1 from public.chargers c where c.id = charger_id and c.cpo_id is not distinct from commands.cpo_id));
alter table public.outbox enable row level security;  -- no policy: the platform alone

grant select, insert, update, delete on public.commands, public.ocpp_messages, public.outbox to service_role;
grant usage on sequence public.ocpp_message_id to service_role;
grant select, insert on public.audit_log to service_role, authenticated;  -- append only
grant select, insert on public.commands to authenticated;
grant select on public.ocpp_messages to authenticated;
