"""The one command route of the first edition; it says in its own words what the OCPP routes do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator

from backend.api.actions.core import ResetType
from backend.api.actions.payload import Location, Text50
from backend.api.bodies import Body, Identity, Moment, Uuid
from backend.api.commands import CommandAnswer, ConnectorNumber, Expiry, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.commands import Delivery
from backend.services.firmware import Update

router = APIRouter(prefix="/api/evse", tags=["commands"])
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]


class EvseCommandName(StrEnum):
    """What may be asked."""

    REBOOT = "REBOOT"
    UNLOCK = "UNLOCK"
    LOCK = "LOCK"
    UPDATE_FIRMWARE = "UPDATE_FIRMWARE"
    UPDATE_CONFIG = "UPDATE_CONFIG"


class EvseCommand(Body):
    """A command in the words of the first edition; which members it needs depends on `command`."""

    charger_id: Identity = Field(description="OCPP identity of the charger.")
    command: EvseCommandName = Field(
        description="`REBOOT`: Reset; `UNLOCK`: UnlockConnector; `LOCK`: ChangeAvailability Inoperative; "
        "`UPDATE_FIRMWARE`: a firmware job; `UPDATE_CONFIG`: ChangeConfiguration."
    )
    connector_id: ConnectorNumber | None = Field(
        default=None, description="Connector as numbered on the charger; needed by `UNLOCK`; for `LOCK` null is all."
    )
    type: ResetType = Field(default=ResetType.SOFT, description="Kind of `REBOOT`.")
    firmware_file_id: Uuid | None = Field(default=None, description="For `UPDATE_FIRMWARE`: one of the CPO's files.")
    location: Location | None = Field(default=None, description="For `UPDATE_FIRMWARE`: any URL by hand.")
    retrieve_at: Moment | None = Field(default=None, description="For `UPDATE_FIRMWARE`: when; null: now.")
    key: Text50 | None = Field(default=None, description="For `UPDATE_CONFIG`: name of the key.")
    value: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, description="For `UPDATE_CONFIG`: new value, always as text."
    )
    queue: bool = Field(default=False, description="True: wait for an offline charger instead of answering 409.")
    expires_in_s: Expiry | None = Field(
        default=None, description="Not sent after so many seconds; 60 by default, queued 900."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.command is EvseCommandName.UNLOCK and self.connector_id is None:
            raise ValueError("UNLOCK needs connector_id")
        if self.command is EvseCommandName.UPDATE_CONFIG and (self.key is None or self.value is None):
            raise ValueError("UPDATE_CONFIG needs key and value")
        if self.command is EvseCommandName.UPDATE_FIRMWARE and (self.firmware_file_id is None) == (
            self.location is None
        ):
            raise ValueError("UPDATE_FIRMWARE needs firmware_file_id or location")
        return self

    def call(self) -> tuple[str, dict[str, Any]]:
        """Action and payload of OCPP, for all but firmware."""
        calls: dict[EvseCommandName, tuple[str, dict[str, Any]]] = {
            EvseCommandName.REBOOT: ("Reset", {"type": self.type.value}),
            EvseCommandName.UNLOCK: ("UnlockConnector", {"connectorId": self.connector_id}),
            EvseCommandName.LOCK: (
                "ChangeAvailability", {"connectorId": self.connector_id or 0, "type": "Inoperative"}
            ),
            EvseCommandName.UPDATE_CONFIG: ("ChangeConfiguration", {"key": self.key, "value": self.value}),
        }  # fmt: skip
        return calls[self.command]


@router.post(
    "/command", summary="Send a command in the first edition's words", status_code=202, responses=responses(404, 409)
)
async def send_evse_command(
    services: Services, caller: Sender, body: EvseCommand, idempotency_key: IdempotencyKey = None
) -> CommandAnswer:
    """The same as the route of the OCPP action, or of the firmware job."""
    delivery = Delivery(body.queue, body.expires_in_s, idempotency_key)
    if body.command is EvseCommandName.UPDATE_FIRMWARE:
        update = Update(body.firmware_file_id, body.location, body.retrieve_at)
        job = await services.firmware.start(caller, body.charger_id, update, delivery)
        return CommandAnswer(command=await services.commands.get(caller.scope, job.command_id))
    action, payload = body.call()
    return CommandAnswer(command=await services.commands.enqueue(caller, body.charger_id, action, payload, delivery))
