"""Commands: what is asked of chargers, and how it fares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Header, Query
from fastapi import Body as BodyOf
from pydantic import BaseModel, Field, model_validator

from backend.api.actions import ACTIONS
from backend.api.actions.payload import INT32_MAX, Action, OcppPayload, Tag
from backend.api.bodies import Body, ChargerId, Identity, Uuid, UuidPath
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.commands import MAX_EXPIRY_S, Command, CommandStatus, Delivery

router = APIRouter(prefix="/api", tags=["commands"])
Reader = Annotated[Caller, Depends(allow(Permission.COMMANDS_READ))]
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]

Expiry = Annotated[int, Field(ge=1, le=MAX_EXPIRY_S)]
ConnectorNumber = Annotated[int, Field(ge=1, le=INT32_MAX, strict=True)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[ -~]+$",
        description="Repeating a request with the same key gives the same command; with other content, 409.",
    ),
]


class DeliveryOptions:
    """Query parameters that say how to deliver."""

    def __init__(
        self,
        queue: Annotated[
            bool | None, Query(description="True: wait for an offline charger instead of answering 409.")
        ] = None,
        expires_in_s: Annotated[
            Expiry | None,
            Query(description="Not sent after so many seconds; 60 by default, queued 900."),
        ] = None,
    ) -> None:
        self.queue = queue
        self.expires_in_s = expires_in_s

    def delivery(self, idempotency_key: str | None) -> Delivery:
        """How to deliver."""
        return Delivery(bool(self.queue), self.expires_in_s, idempotency_key)


class Ask(Body):
    """Members that say how to deliver, of every body that asks something of a charger."""

    queue: bool = Field(default=False, description="True: wait for an offline charger instead of answering 409.")
    expires_in_s: Expiry | None = Field(
        default=None, description="Not sent after so many seconds; 60 by default, queued 900."
    )

    def delivery(self, idempotency_key: str | None) -> Delivery:
        """How to deliver."""
        return Delivery(self.queue, self.expires_in_s, idempotency_key)


class RemoteStart(Ask):
    """A session to begin."""

    charger_id: Identity = Field(description="OCPP identity of the charger.")
    connector_id: ConnectorNumber | None = Field(
        default=None, description="Connector as numbered on the charger; null lets the charger choose."
    )
    id_token: Tag = Field(description="Id token to charge the session to; at most 20 characters.")


class RemoteStop(Ask):
    """A session to end: named by exactly one of the two."""

    session_id: Uuid | None = Field(default=None, description="Identifier of the session (UUID).")
    transaction_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="OCPP 1.6 number of the session."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.session_id is None) == (self.transaction_id is None):
            raise ValueError("name the session by session_id or by transaction_id")
        return self


class CommandAnswer(BaseModel):
    """The command as recorded."""

    command: Command = Field(description="The command; read it again to see how it fares.")


@router.post("/client/remote-start", summary="Begin a session remotely", status_code=202, responses=responses(404, 409))
async def remote_start(
    services: Services, caller: Sender, body: RemoteStart, idempotency_key: IdempotencyKey = None
) -> CommandAnswer:
    """Asks a charger to begin a session; `effect` of the command tells whether one began."""
    command = await services.commands.remote_start(
        caller, body.charger_id, body.id_token, body.connector_id, body.delivery(idempotency_key)
    )
    return CommandAnswer(command=command)


@router.post("/client/remote-stop", summary="End a session remotely", status_code=202, responses=responses(404, 409))
async def remote_stop(
    services: Services, caller: Sender, body: RemoteStop, idempotency_key: IdempotencyKey = None
) -> CommandAnswer:
    """Asks the charger of a running session to end it; `effect` of the command tells whether it did."""
    command = await services.commands.remote_stop(
        caller, body.session_id, body.transaction_id, body.delivery(idempotency_key)
    )
    return CommandAnswer(command=command)


@router.get("/commands", summary="List commands")
async def list_commands(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    charger_id: Annotated[str | None, Query(max_length=48, description="Only of this charger.")] = None,
    status: Annotated[CommandStatus | None, Query(description="Only in this status.")] = None,
) -> ItemList[Command]:
    """Newest first."""
    found = await services.commands.list(caller.scope, page.request, charger_id=charger_id, status=status)
    return page.answer(found)


@router.get("/commands/{command_id}", summary="Read a command", responses=responses(404))
async def read_command(services: Services, caller: Reader, command_id: UuidPath) -> Command:
    """One command: its status, the charger's answer, and its effect."""
    return await services.commands.get(caller.scope, command_id)


def _sender_of(action: str, line: Action) -> Callable[..., Awaitable[CommandAnswer]]:
    async def send(
        services: Services,
        caller: Sender,
        charger_id: ChargerId,
        body: OcppPayload,
        options: Annotated[DeliveryOptions, Depends()],
        idempotency_key: IdempotencyKey = None,
    ) -> CommandAnswer:
        delivery = options.delivery(idempotency_key)
        command = await services.commands.enqueue(caller, charger_id, action, body.on_wire(), delivery)
        return CommandAnswer(command=command)

    payload: Any = line.model
    send.__annotations__["body"] = Annotated[payload, BodyOf(description="Payload of the call.")]
    send.__name__ = f"send_{action}"
    send.__doc__ = line.model.__doc__
    return send


for _action, _line in ACTIONS.items():
    router.add_api_route(
        f"/chargers/{{charger_id}}/commands/{_action}",
        _sender_of(_action, _line),
        methods=["POST"],
        summary=f"{_action}: {_line.summary}",
        status_code=202,
        responses=responses(404, 409),
    )
