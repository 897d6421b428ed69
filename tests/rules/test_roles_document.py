"""docs/roles.md is the permission table of the code."""

from __future__ import annotations

from pathlib import Path

from backend.domain.roles import (
    GRANTS,
    PERMISSIONS,
    PLATFORM_ROLES,
    SECOND_FACTOR_ROLES,
    TENANT_ROLES,
    Permission,
    Role,
)
from tests.rules.test_readme import table
from tests.rules.tree import text

PAGE = Path("docs/roles.md")
YES = "●"


def _home(role: Role) -> str:
    if role is Role.INTEGRATOR:
        return "programs (API keys)"
    return "EMSV" if role in PLATFORM_ROLES else "CPO" if role in TENANT_ROLES else "drivers"


def _granted(role: Role) -> str:
    return ", ".join(other for other in Role if other in GRANTS.get(role, ())) or "none"


def expected_roles() -> list[list[str]]:
    """Role, whose people hold it, second factor, what it may give."""
    return [[role, _home(role), YES if role in SECOND_FACTOR_ROLES else "", _granted(role)] for role in Role]


def expected_permissions() -> list[list[str]]:
    """One row a permission, one column a role."""
    return [[act, *(YES if act in PERMISSIONS[role] else "" for role in Role)] for act in Permission]


def test_the_page_lists_the_roles() -> None:
    assert table(text(PAGE), "Roles") == expected_roles()


def test_the_page_prints_the_permission_table() -> None:
    assert table(text(PAGE), "Permissions") == expected_permissions()
