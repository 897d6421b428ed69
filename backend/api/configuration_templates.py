"""Provisioning templates: what chargers of a CPO shall be set to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.api.bodies import Body, Name, Uuid, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.templates import Template

router = APIRouter(prefix="/api/configuration-templates", tags=["configuration"])
Reader = Annotated[Caller, Depends(allow(Permission.CONFIGURATION_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CONFIGURATION_WRITE))]

Key = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[ -~]+$")]
Value = Annotated[str, Field(max_length=500, pattern=r"^[ -~]*$")]
Settings = Annotated[dict[Key, Value], Field(min_length=1, max_length=200)]


class NewTemplate(Body):
    """A template to create."""

    cpo_id: Uuid | None = Field(default=None, description="CPO; needed from EMSV staff, else your own.")
    name: Name = Field(description="Name, unique within the CPO.")
    settings: Settings = Field(description="Configuration key → value, always text. Secrets are refused.")
    reboot: bool = Field(
        default=False, description="True: restart a charger when a change needs it and no session runs."
    )


class TemplateChanges(Body):
    """What to change; members left out stay as they are."""

    name: Name = Field(default_factory=absent, description="Name, unique within the CPO.")
    settings: Settings = Field(default_factory=absent, description="Configuration key → value; replaces all.")
    reboot: bool = Field(default_factory=absent, description="Whether it may restart chargers.")


@router.get("", summary="List configuration templates")
async def list_templates(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    cpo_id: Annotated[Uuid | None, Query(description="Only this CPO's.")] = None,
) -> ItemList[Template]:
    """By name, with the number of chargers and of those that differ."""
    return page.answer(await services.templates.list(caller.scope, page.request, cpo_id=cpo_id))


@router.post("", summary="Create a configuration template", status_code=201, responses=responses(404, 409))
async def create_template(services: Services, caller: Writer, body: NewTemplate) -> Template:
    """Creates a template; it does nothing until it is switched on for a charger."""
    return await services.templates.create(caller, body.model_dump(mode="json", exclude={"cpo_id"}), body.cpo_id)


@router.get("/{template_id}", summary="Read a configuration template", responses=responses(404))
async def read_template(services: Services, caller: Reader, template_id: UuidPath) -> Template:
    """One template."""
    return await services.templates.get(caller.scope, template_id)


@router.put("/{template_id}", summary="Change a configuration template", responses=responses(404, 409))
async def update_template(services: Services, caller: Writer, template_id: UuidPath, body: TemplateChanges) -> Template:
    """Changes the members that are sent; chargers follow with their next boot."""
    return await services.templates.update(caller, template_id, body.sent())


@router.delete(
    "/{template_id}", summary="Delete a configuration template", status_code=204, responses=responses(404, 409)
)
async def delete_template(services: Services, caller: Writer, template_id: UuidPath) -> None:
    """Deletes a template that no charger has; another answers 409 `template_in_use`."""
    await services.templates.delete(caller, template_id)
