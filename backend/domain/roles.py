"""Who may do what: the one permission table.

The API asks it before every route, the documents print it. The table answers *what kind of act* a role may
do; *whose rows* it touches is the business of the database's row policies, through the caller's `Scope`.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """A role of a person; `integrator` alone is that of a program, which comes with an API key."""

    EMSV_ADMIN = "emsv_admin"
    EMSV_FINANCE = "emsv_finance"
    NOC_ANALYST = "noc_analyst"
    CPO_ADMIN = "cpo_admin"
    CPO_OPERATOR = "cpo_operator"
    CPO_TECHNICIAN = "cpo_technician"
    CPO_FINANCE = "cpo_finance"
    DRIVER = "driver"
    INTEGRATOR = "integrator"


class House(StrEnum):
    """Whose people hold a role. Nobody moves to another house by a change of role."""

    EMSV = "emsv"
    CPO = "cpo"
    DRIVER = "driver"


class Permission(StrEnum):
    """One kind of act; the value is `<noun>:<act>`."""

    CPOS_READ = "cpos:read"
    CPOS_WRITE = "cpos:write"
    STATIONS_READ = "stations:read"
    STATIONS_WRITE = "stations:write"
    CHARGERS_READ = "chargers:read"
    CHARGERS_WRITE = "chargers:write"
    CHARGERS_APPROVE = "chargers:approve"
    CONNECTORS_READ = "connectors:read"
    SESSIONS_READ = "sessions:read"
    SESSIONS_REVIEW = "sessions:review"
    ID_TOKENS_READ = "id_tokens:read"
    ID_TOKENS_WRITE = "id_tokens:write"
    COMMANDS_READ = "commands:read"
    COMMANDS_SEND = "commands:send"
    RESERVATIONS_READ = "reservations:read"
    RESERVATIONS_WRITE = "reservations:write"
    LOCAL_LISTS_READ = "local_lists:read"
    LOCAL_LISTS_WRITE = "local_lists:write"
    CHARGING_PROFILES_READ = "charging_profiles:read"
    CHARGING_PROFILES_WRITE = "charging_profiles:write"
    CPO_SETTINGS_WRITE = "cpo_settings:write"
    FIRMWARE_READ = "firmware:read"
    FIRMWARE_WRITE = "firmware:write"
    LOGS_READ = "logs:read"
    LOGS_DOWNLOAD = "logs:download"
    CONFIGURATION_READ = "configuration:read"
    CONFIGURATION_WRITE = "configuration:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_IDENTIFIERS = "messages:identifiers"  # unmasked
    ANALYTICS_READ = "analytics:read"
    ALARMS_READ = "alarms:read"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    QUIRKS_READ = "quirks:read"
    RULES_READ = "normalising_rules:read"
    RULES_WRITE = "normalising_rules:write"
    DRIVERS_READ = "drivers:read"
    DRIVERS_WRITE = "drivers:write"
    DRIVERS_REGISTER = "drivers:register"  # and say which tokens they hold
    PERSONAL_DATA_EXPORT = "personal_data:export"  # and what the driver agreed to
    PERSONAL_DATA_ERASE = "personal_data:erase"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    API_KEYS_READ = "api_keys:read"
    API_KEYS_WRITE = "api_keys:write"
    ONBOARDING_READ = "onboarding:read"  # applications and their documents
    ONBOARDING_DECIDE = "onboarding:decide"
    REVENUE_SHARES_READ = "revenue_shares:read"
    REVENUE_SHARES_WRITE = "revenue_shares:write"
    AUDIT_READ = "audit:read"


PLATFORM_ROLES: Final = frozenset({Role.EMSV_ADMIN, Role.EMSV_FINANCE, Role.NOC_ANALYST})
"""Roles of the EMSV itself: they see every CPO and belong to none."""

TENANT_ROLES: Final = frozenset(
    {Role.CPO_ADMIN, Role.CPO_OPERATOR, Role.CPO_TECHNICIAN, Role.CPO_FINANCE, Role.INTEGRATOR}
)
"""Roles inside one CPO: without a CPO they mean nothing. A driver belongs to nobody and sees what is their own."""

SECOND_FACTOR_ROLES: Final = PLATFORM_ROLES | {Role.CPO_FINANCE}
"""Whoever reaches over all CPOs, or money, proves a second factor."""

_READ_ALL = frozenset(p for p in Permission if p.value.endswith(":read"))
_STAFF_ONLY = frozenset({
    Permission.USERS_READ, Permission.API_KEYS_READ, Permission.ONBOARDING_READ, Permission.REVENUE_SHARES_READ,
    Permission.AUDIT_READ,
})  # fmt: skip
# The whole of a person's data is for the EMSV, who answers for it, and for the person.
_PERSON = frozenset({Permission.PERSONAL_DATA_EXPORT, Permission.PERSONAL_DATA_ERASE})
_EMSV_ONLY = _PERSON | {
    Permission.CPOS_WRITE, Permission.CHARGERS_APPROVE, Permission.RULES_WRITE, Permission.ONBOARDING_DECIDE,
    Permission.REVENUE_SHARES_WRITE,
}  # fmt: skip
_CARDS = frozenset({Permission.ID_TOKENS_READ, Permission.LOCAL_LISTS_READ, Permission.DRIVERS_READ})
_ORDERS = frozenset({
    Permission.COMMANDS_SEND, Permission.RESERVATIONS_WRITE, Permission.LOCAL_LISTS_WRITE,
    Permission.CHARGING_PROFILES_WRITE,
})  # fmt: skip
_OPERATE = (_READ_ALL - _STAFF_ONLY) | _ORDERS | {Permission.ID_TOKENS_WRITE}
_DRIVERS = frozenset({Permission.DRIVERS_REGISTER, Permission.DRIVERS_WRITE})
# Machines, not who charges: a technician needs no list of cards.
_REPAIR = (_READ_ALL - _STAFF_ONLY - _CARDS) | {
    Permission.COMMANDS_SEND, Permission.CONFIGURATION_WRITE, Permission.LOGS_DOWNLOAD,
}  # fmt: skip
# Energy and what is to be billed of it, not the machines' insides.
_MONEY = frozenset({
    Permission.CPOS_READ, Permission.STATIONS_READ, Permission.CHARGERS_READ, Permission.CONNECTORS_READ,
    Permission.SESSIONS_READ, Permission.SESSIONS_REVIEW, Permission.ANALYTICS_READ, Permission.ALARMS_READ,
    Permission.REVENUE_SHARES_READ,
})  # fmt: skip

PERMISSIONS: Final = MappingProxyType(
    {
        Role.EMSV_ADMIN: frozenset(Permission),
        Role.EMSV_FINANCE: _MONEY | {Permission.ONBOARDING_READ, Permission.REVENUE_SHARES_WRITE},
        Role.NOC_ANALYST: _READ_ALL - {Permission.ONBOARDING_READ},
        Role.CPO_ADMIN: frozenset(Permission) - _EMSV_ONLY,
        Role.CPO_OPERATOR: _OPERATE | _DRIVERS | {Permission.LOGS_DOWNLOAD},
        Role.CPO_TECHNICIAN: _REPAIR,
        Role.CPO_FINANCE: _MONEY,
        Role.DRIVER: frozenset({Permission.DRIVERS_READ, Permission.DRIVERS_WRITE}) | _PERSON,
        Role.INTEGRATOR: _OPERATE,
    }
)

GRANTS: Final = MappingProxyType(
    {
        Role.EMSV_ADMIN: PLATFORM_ROLES | TENANT_ROLES | {Role.DRIVER},
        Role.CPO_ADMIN: TENANT_ROLES,
    }
)
"""Which roles a role may give to a new user or API key; a role that is absent gives none. Whoever gives the role
`driver` opens all that somebody charged, everywhere: no CPO does."""


def allows(role: str, permission: Permission) -> bool:
    """Whether `role` may do `permission`; an unknown role may do nothing."""
    try:
        return permission in PERMISSIONS[Role(role)]
    except ValueError:
        return False


def may_grant(role: str, granted: str) -> bool:
    """Whether a holder of `role` may create a user or API key with the role `granted`."""
    try:
        return Role(granted) in GRANTS.get(Role(role), frozenset())
    except ValueError:
        return False


def belongs_to_cpo(role: str) -> bool:
    """Whether a holder of `role` must belong to a CPO (True) or must not (False)."""
    return role in TENANT_ROLES


def house_of(role: str) -> House:
    """Whose people hold `role`."""
    return House.CPO if belongs_to_cpo(role) else House.DRIVER if role == Role.DRIVER else House.EMSV


def permissions_of(role: str) -> list[str]:
    """What `role` may do, in the order of the table; an unknown role may do nothing."""
    return [permission.value for permission in Permission if allows(role, permission)]
