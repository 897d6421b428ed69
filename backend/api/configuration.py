"""Configuration keys of a charger, and the template that is switched on for it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.api.bodies import Body, ChargerId, Uuid
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.configuration import Configuration, ConfigurationChange
from backend.services.templates import Provisioning

router = APIRouter(prefix="/api/chargers", tags=["configuration"])
Reader = Annotated[Caller, Depends(allow(Permission.CONFIGURATION_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CONFIGURATION_WRITE))]


class TemplateSwitch(Body):
    """Which template a charger shall obey."""

    template_id: Uuid | None = Field(description="Template to switch on; null switches off.")
    apply_now: bool = Field(default=False, description="True: compare and change now, not only after the next boot.")


@router.get("/{charger_id}/configuration", summary="Read the configuration of a charger", responses=responses(404))
async def read_configuration(services: Services, caller: Reader, charger_id: ChargerId) -> Configuration:
    """Keys as last reported. To read them anew, send GetConfiguration; without keys it tells all."""
    return await services.configurations.get(caller.scope, charger_id)


@router.get(
    "/{charger_id}/configuration/history", summary="List changes of a charger's configuration", responses=responses(404)
)
async def list_configuration_changes(
    services: Services,
    caller: Reader,
    charger_id: ChargerId,
    page: Annotated[Paging, Depends()],
    key: Annotated[str | None, Query(max_length=200, description="Only of this key, as the charger writes it.")] = None,
) -> ItemList[ConfigurationChange]:
    """Newest first: who changed what, also what was changed at the charger itself."""
    return page.answer(await services.configurations.history(caller.scope, page.request, charger_id, key=key))


@router.get("/{charger_id}/configuration-template", summary="Read the template of a charger", responses=responses(404))
async def read_charger_template(services: Services, caller: Reader, charger_id: ChargerId) -> Provisioning:
    """The template that is switched on, and where the charger differs from it."""
    return await services.templates.of_charger(caller.scope, charger_id)


@router.put("/{charger_id}/configuration-template", summary="Switch a template on or off", responses=responses(404))
async def switch_charger_template(
    services: Services, caller: Writer, charger_id: ChargerId, body: TemplateSwitch
) -> Provisioning:
    """After each boot the platform then reads the keys and changes those that differ; without a template, nothing."""
    return await services.templates.switch(caller, charger_id, body.template_id, apply_now=body.apply_now)
