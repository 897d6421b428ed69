"""The OCPP message log of a charger: frames, calls with their answers, new ones as they pass, and an export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from backend.api.bodies import ChargerId, Moment
from backend.api.dependencies import Services, allow
from backend.api.paging import DEFAULT_LIMIT, MAX_LIMIT, ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.messages import Direction, Exchange, Message, MessageFilter, MessageKind

router = APIRouter(prefix="/api/chargers", tags=["messages"])
Reader = Annotated[Caller, Depends(allow(Permission.MESSAGES_READ))]


class FollowedMessages(BaseModel):
    """What passed since the last look."""

    items: list[Message] = Field(description="Frames, oldest first.")
    after: str | None = Field(description="Send as `after` next time, also when there was nothing new.")


def _wanted(
    action: Annotated[str | None, Query(max_length=100, description="Only of this OCPP action.")] = None,
    direction: Annotated[Direction | None, Query(description="Only from (`in`) or to (`out`) it.")] = None,
    errors: Annotated[bool, Query(description="Only CALLERRORs and frames that are no OCPP.")] = False,
    error_code: Annotated[str | None, Query(max_length=100, description="Only with this error code.")] = None,
    since: Annotated[Moment | None, Query(alias="from", description="At or after this time.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Before this time.")] = None,
) -> MessageFilter:
    return MessageFilter(action, direction, errors, error_code, since, until)


Wanted = Annotated[MessageFilter, Depends(_wanted)]


class Following(Paging):
    """Dependency: where a follower stands. The cursor is called `after`."""

    def __init__(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Frames per answer.")] = DEFAULT_LIMIT,
        after: Annotated[str | None, Query(max_length=1000, description="`after` of the answer before.")] = None,
    ) -> None:
        super().__init__(request, limit, after)


@router.get("/{charger_id}/messages", summary="List OCPP messages of a charger", responses=responses(404))
async def list_messages(
    services: Services,
    caller: Reader,
    charger_id: ChargerId,
    page: Annotated[Paging, Depends()],
    wanted: Wanted,
    kind: Annotated[MessageKind | None, Query(description="Only of this kind.")] = None,
) -> ItemList[Message]:
    """Newest first. Under pressure the log may have gaps; the dashboard overview counts them."""
    return page.answer(await services.messages.list(caller.scope, page.request, charger_id, wanted, kind))


@router.get(
    "/{charger_id}/messages/exchanges",
    summary="List OCPP calls of a charger with their answers",
    responses=responses(404),
)
async def list_exchanges(
    services: Services, caller: Reader, charger_id: ChargerId, page: Annotated[Paging, Depends()], wanted: Wanted
) -> ItemList[Exchange]:
    """One entry per call with its answer and latency, newest first. `errors` counts both directions."""
    return page.answer(await services.messages.exchanges(caller.scope, page.request, charger_id, wanted))


@router.get("/{charger_id}/messages/follow", summary="Follow OCPP messages of a charger", responses=responses(404))
async def follow_messages(
    services: Services, caller: Reader, charger_id: ChargerId, place: Annotated[Following, Depends()], wanted: Wanted
) -> FollowedMessages:
    """Frames that passed since `after`, oldest first; the newest ones at first. Ask again every few seconds."""
    found = await services.messages.follow(caller.scope, place.request, charger_id, wanted)
    return FollowedMessages(items=found.items, after=place.answer(found).next_cursor)


@router.get(
    "/{charger_id}/messages/export",
    summary="Export OCPP messages of a charger",
    response_class=StreamingResponse,
    responses={
        **responses(404),
        200: {
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            "description": "One message a line.",
        },
    },
)
async def export_messages(
    services: Services, caller: Reader, charger_id: ChargerId, wanted: Wanted
) -> StreamingResponse:
    """JSON lines, oldest first, at most 200,000: to continue, ask `from` the time of the last one."""
    pages = await services.messages.export(caller.scope, charger_id, wanted)
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in charger_id if letter.isascii())
    return StreamingResponse(
        _lines(pages),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="messages-{name}.jsonl"'},
    )


async def _lines(pages: AsyncIterator[Sequence[Message]]) -> AsyncIterator[bytes]:
    async for messages in pages:
        yield b"".join(message.model_dump_json().encode() + b"\n" for message in messages)
