"""The permission table: the lines that must not blur."""

import pytest

from backend.domain.roles import (
    GRANTS,
    PERMISSIONS,
    PLATFORM_ROLES,
    SECOND_FACTOR_ROLES,
    TENANT_ROLES,
    Permission,
    Role,
    allows,
    belongs_to_cpo,
    may_grant,
)


def test_every_role_has_a_line_in_the_table_and_one_home() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set(Role) == PLATFORM_ROLES | TENANT_ROLES | {Role.DRIVER}
    assert not PLATFORM_ROLES & TENANT_ROLES


def test_the_noc_analyst_reads_everything_but_applications_and_changes_nothing() -> None:
    reads = {p for p in Permission if p.endswith(":read")}
    assert {p for p in Permission if allows("noc_analyst", p)} == reads - {Permission.ONBOARDING_READ}


def test_only_the_emsv_administrator_makes_cpos_approves_chargers_and_makes_rules_for_all() -> None:
    emsvs = (Permission.CPOS_WRITE, Permission.CHARGERS_APPROVE, Permission.RULES_WRITE, Permission.ONBOARDING_DECIDE)
    for permission in emsvs:
        assert [role for role in Role if allows(role, permission)] == [Role.EMSV_ADMIN]


def test_an_operator_sends_commands_but_does_not_manage_staff_or_hardware() -> None:
    assert allows("cpo_operator", Permission.COMMANDS_SEND)
    for permission in (Permission.CHARGERS_WRITE, Permission.USERS_READ, Permission.API_KEYS_READ):
        assert not allows("cpo_operator", permission)


def test_a_technician_mends_machines_but_sees_no_cards_and_no_staff() -> None:
    assert allows("cpo_technician", Permission.CONFIGURATION_WRITE)
    for permission in (Permission.ID_TOKENS_READ, Permission.USERS_READ, Permission.SESSIONS_REVIEW):
        assert not allows("cpo_technician", permission)


@pytest.mark.parametrize("role", ["cpo_finance", "emsv_finance"])
def test_finance_decides_what_is_billed_and_touches_no_machine(role: str) -> None:
    changes = [p for p in Permission if allows(role, p) and not p.endswith(":read")]
    agreed = [Permission.REVENUE_SHARES_WRITE] if role == "emsv_finance" else []
    assert changes == [Permission.SESSIONS_REVIEW, *agreed]


def test_a_driver_gets_at_their_own_data_alone_and_the_emsv_alone_gives_the_role() -> None:
    own = {Permission.DRIVERS_READ, Permission.DRIVERS_WRITE}
    rights = {Permission.PERSONAL_DATA_EXPORT, Permission.PERSONAL_DATA_ERASE}
    assert {p for p in Permission if allows("driver", p)} == own | rights
    for permission in rights:
        assert [role for role in Role if allows(role, permission)] == [Role.EMSV_ADMIN, Role.DRIVER]
    assert [role for role in Role if may_grant(role, "driver")] == [Role.EMSV_ADMIN]


def test_everybody_who_reaches_over_all_cpos_or_money_proves_a_second_factor() -> None:
    assert {Role.EMSV_ADMIN, Role.EMSV_FINANCE, Role.NOC_ANALYST, Role.CPO_FINANCE} == SECOND_FACTOR_ROLES


def test_an_unknown_role_may_do_nothing() -> None:
    assert not any(allows("root", p) for p in Permission)
    assert not may_grant("root", "cpo_operator")


def test_nobody_grants_a_role_that_reaches_further_than_their_own() -> None:
    assert not may_grant("cpo_admin", "emsv_admin")
    assert not may_grant("cpo_operator", "cpo_operator")
    assert not may_grant("cpo_admin", "no_such_role")
    for granter, granted in GRANTS.items():
        for role in granted:
            assert PERMISSIONS[role] <= PERMISSIONS[granter]


def test_tenant_roles_belong_to_a_cpo_and_platform_roles_do_not() -> None:
    assert belongs_to_cpo("integrator")
    assert not belongs_to_cpo("noc_analyst")
