"""What chargers are set to: their configuration keys as last reported, and every change with who made it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import MAX_ROWS, Database
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page

_NEVER: Final[dict[str, Any]] = {"reported_at": None, "complete_at": None, "unknown_keys": []}


class ChangeSource(StrEnum):
    """Who changed a key."""

    COMMAND = "command"
    TEMPLATE = "template"
    CHARGER = "charger"


class ConfigurationKey(Record):
    """One key of a charger."""

    key: str = Field(description="Name of the key, as the charger writes it.")
    value: str | None = Field(description="Value as last reported or accepted; null for secrets, which are not kept.")
    secret: bool = Field(description="Whether the value is a secret.")
    readonly: bool = Field(description="Whether the charger lets nobody change it.")
    known_at: datetime = Field(description="When it was reported, or a change accepted (UTC).")
    pending_value: str | None = Field(description="Accepted value that counts only after the next reboot.")
    pending_since: datetime | None = Field(description="When that was accepted (UTC).")


class Configuration(Record):
    """The keys of a charger as far as they are known."""

    charger_id: str = Field(description="OCPP identity of the charger.")
    reported_at: datetime | None = Field(description="Last answer to GetConfiguration (UTC); null before the first.")
    complete_at: datetime | None = Field(description="Last answer that told all keys (UTC).")
    unknown_keys: list[str] = Field(description="Keys that were asked for and that the charger does not know.")
    keys: list[ConfigurationKey] = Field(description="Keys by name.")


class ConfigurationChange(Record):
    """One change of one key."""

    id: int = Field(description="Number of the change.")
    at: datetime = Field(description="When it was accepted, or first seen in a report (UTC).")
    key: str = Field(description="Name of the key.")
    old_value: str | None = Field(description="Value before; null if it was unknown, absent or a secret.")
    new_value: str | None = Field(description="Value after; null if the key is gone or a secret.")
    source: ChangeSource = Field(
        description="`command`: a person or program asked; `template`: a template asked; "
        "`charger`: changed at the charger itself."
    )
    actor: str | None = Field(description="Name of who asked, or of the template.")
    command_id: str | None = Field(description="Command that changed it.")
    reboot_required: bool = Field(description="Whether it counts only from the next boot on.")


class Configurations:
    """Reads configurations in the caller's scope. Reading anew is the command GetConfiguration."""

    def __init__(self, database: Database, chargers: Chargers) -> None:
        self._database = database
        self._chargers = chargers

    async def get(self, scope: Scope, charger_id: str) -> Configuration:
        """What is known. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where = [("charger_id", "eq", charger_id), *own_rows(scope)]
        reports = await self._database.select(
            "configuration_reports", scope=scope, columns="reported_at,complete_at,unknown_keys", where=where, limit=1
        )
        keys = await self._database.select(
            "charger_configuration", scope=scope, columns=ConfigurationKey.columns(), where=where,
            order=[("key_id", "asc")], limit=MAX_ROWS,
        )  # fmt: skip
        return Configuration.model_validate({"charger_id": charger_id, "keys": keys, **(reports or [_NEVER])[0]})

    async def history(
        self, scope: Scope, page: PageRequest, charger_id: str, *, key: str | None = None
    ) -> Page[ConfigurationChange]:
        """Newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where = [("charger_id", "eq", charger_id), *own_rows(scope), *given(("key", "eq", key))]
        return await select_page(
            self._database, "configuration_changes", ConfigurationChange, page, scope=scope, where=where,
            order=[("id", "desc")],
        )  # fmt: skip
