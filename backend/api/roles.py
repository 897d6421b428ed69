"""The permission table, for whoever gives roles or holds one."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.dependencies import Identified
from backend.domain.roles import GRANTS, SECOND_FACTOR_ROLES, House, Role, house_of, permissions_of

router = APIRouter(prefix="/api/roles", tags=["users"])


class RoleLine(BaseModel):
    """One line of the permission table."""

    role: Role = Field(description="The role.")
    home: House = Field(description="Who holds it: EMSV staff, people or programs of a CPO, or drivers.")
    second_factor: bool = Field(description="Whether its holders must prove a second factor.")
    permissions: list[str] = Field(description="What it may do: `<noun>:<act>`, in the order of the table.")
    grants: list[Role] = Field(description="Roles that its holders may give to others.")


class RoleTable(BaseModel):
    """The whole permission table."""

    items: list[RoleLine] = Field(description="One line a role.")


@router.get("", summary="Read the permission table")
async def list_roles(caller: Identified) -> RoleTable:
    """What each role may do. Whose rows it touches is another matter: those of its CPO, or all for the EMSV."""
    return RoleTable(items=[_line(role) for role in Role])


def _line(role: Role) -> RoleLine:
    granted = [other for other in Role if other in GRANTS.get(role, frozenset())]
    return RoleLine(
        role=role,
        home=house_of(role),
        second_factor=role in SECOND_FACTOR_ROLES,
        permissions=permissions_of(role),
        grants=granted,
    )
