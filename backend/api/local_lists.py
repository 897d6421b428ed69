"""Local lists: id tokens that chargers keep to decide without the platform."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, ChargerId, absent
from backend.api.commands import Ask, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.local_lists import ListMode, ListOrder, ListWish, LocalList, LocalListDetail

router = APIRouter(prefix="/api", tags=["local lists"])
Reader = Annotated[Caller, Depends(allow(Permission.LOCAL_LISTS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.LOCAL_LISTS_WRITE))]
Entries = Annotated[int, Field(ge=1, le=100_000, strict=True)]


class ListToSend(Ask):
    """Which list to send."""

    mode: ListMode = Field(description="`full` replaces the charger's list, `differential` changes what differs.")
    max_entries: Entries | None = Field(
        default=None, description="Entries that the charger takes, if its configuration does not tell; remembered."
    )
    max_per_message: Entries | None = Field(
        default=None, description="Entries per message, if its configuration does not tell; remembered."
    )


class LocalListChanges(Body):
    """What to change; members left out stay as they are."""

    sync: bool | None = Field(
        default=None, description="Send changes unasked; null: as the CPO's setting `local_list_sync` has it."
    )
    max_entries: Entries | None = Field(
        default_factory=absent, description="Entries that the charger takes; null: as its configuration tells."
    )
    max_per_message: Entries | None = Field(
        default_factory=absent, description="Entries per message; null: as its configuration tells."
    )


@router.get("/local-lists", summary="List local lists")
async def list_local_lists(
    services: Services, caller: Reader, page: Annotated[Paging, Depends()]
) -> ItemList[LocalList]:
    """By charger: those that were ever asked about their list, or sent one."""
    return page.answer(await services.local_lists.list(caller.scope, page.request))


@router.get("/chargers/{charger_id}/local-list", summary="Read a local list", responses=responses(404))
async def read_local_list(services: Services, caller: Reader, charger_id: ChargerId) -> LocalListDetail:
    """What the charger holds as far as is known, and what was sent to it."""
    return await services.local_lists.get(caller.scope, charger_id)


@router.post(
    "/chargers/{charger_id}/local-list",
    summary="Send a local list",
    status_code=202,
    responses=responses(404, 409),
)
async def send_local_list(
    services: Services,
    caller: Writer,
    charger_id: ChargerId,
    body: ListToSend,
    idempotency_key: IdempotencyKey = None,
) -> ListOrder:
    """Makes the list of the CPO's id tokens, in parts if need be, and sends them one after another (SendLocalList).

    A version mismatch, and a change that failed, are mended once with a full list.
    """
    wish = ListWish(body.mode, body.max_entries, body.max_per_message)
    return await services.local_lists.send(caller, charger_id, wish, body.delivery(idempotency_key))


@router.put(
    "/chargers/{charger_id}/local-list", summary="Change the settings of a local list", responses=responses(404)
)
async def update_local_list(
    services: Services, caller: Writer, charger_id: ChargerId, body: LocalListChanges
) -> LocalListDetail:
    """Switches the unasked sending of changes on or off, and sets limits."""
    return await services.local_lists.change(caller, charger_id, body.sent())
