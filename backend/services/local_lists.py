"""Local lists: id tokens that chargers keep to decide without the platform (OCPP 1.6 §3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.commands import Delivery
from backend.services.records import Page, PageRequest, Record, own_rows, select_page

ENTRIES_SHOWN = 1000
ORDERS_SHOWN = 20


class ListMode(StrEnum):
    """Replace the charger's list, or change the entries that differ."""

    FULL = "full"
    DIFFERENTIAL = "differential"


class LocalList(Record):
    """What is known of one charger's local list."""

    charger_id: str = Field(description="OCPP identity of the charger.")
    cpo_id: str | None = Field(description="CPO of the charger.")
    reported_version: int | None = Field(description="Version as the charger last said: -1 unsupported, 0 empty.")
    reported_at: datetime | None = Field(description="When it said so (UTC).")
    version: int | None = Field(description="Version of the entries below; null: the charger's content is not known.")
    accepted_at: datetime | None = Field(description="When the charger last accepted a list (UTC).")
    entry_count: int = Field(description="Entries that the charger holds, as far as is known.")
    differs_by: int | None = Field(
        default=None, description="Entries that differ from the CPO's id tokens; null: the content is not known."
    )
    max_entries: int | None = Field(description="Entries that the charger takes (LocalAuthListMaxLength), if known.")
    max_per_message: int | None = Field(
        description="Entries that one message may carry (SendLocalListMaxLength), if known; else 100 are sent."
    )
    sync: bool | None = Field(description="Whether changes are sent unasked; null: as the CPO has it.")
    sync_on: bool = Field(description="Whether changes are sent unasked, all settings taken together.")


class ListEntry(Record):
    """A token on a charger's list."""

    id_token: str = Field(description="The token as sent.")
    status: str = Field(description="What it may, in the words of OCPP: `Accepted`, `Blocked`, `Expired` …")
    expires_at: datetime | None = Field(description="End of validity (UTC).")
    parent_token: str | None = Field(description="Group of the token.")


class ListOrder(Record):
    """A list on its way to a charger, in as many messages as its maximum makes of it."""

    id: str = Field(description="Identifier (UUID).")
    mode: ListMode = Field(description="`full` or `differential`.")
    reason: str = Field(
        description="`asked`, `automatic` (kept in step), `version_mismatch` or `failed` (sent in full because the "
        "charger held another version, or could not take a change)."
    )
    status: str = Field(
        description="`sending`, then `accepted`, `rejected` or `unanswered`; `unchanged`: there was nothing to send."
    )
    answer: str | None = Field(
        description="The charger's last word, or what went wrong (`local_list_too_long`: not sent at all)."
    )
    last_version: int | None = Field(description="Version of the list after the last part.")
    entry_count: int = Field(description="Entries to set or remove.")
    parts: list[dict[str, Any]] = Field(description="Payloads of SendLocalList, in OCPP's member names.")
    parts_sent: int = Field(description="How many parts have been sent.")
    command_id: str | None = Field(description="Command of the part sent last.")
    requested_by_name: str | None = Field(description="Name of who asked; null: the platform.")
    created_at: datetime = Field(description="When it was made (UTC).")
    ended_at: datetime | None = Field(description="When it ended (UTC).")


class LocalListDetail(LocalList):
    """A charger's local list with its content and what was sent."""

    entries: list[ListEntry] = Field(description=f"Entries by token, the first {ENTRIES_SHOWN}.")
    orders: list[ListOrder] = Field(description=f"Lists sent, newest first, the last {ORDERS_SHOWN}.")


@dataclass(frozen=True, slots=True)
class ListWish:
    """What to send. The limits count from now on; None leaves what is known."""

    mode: ListMode
    max_entries: int | None = None
    max_per_message: int | None = None


class LocalLists:
    """Sends local lists and tells what chargers hold."""

    def __init__(self, database: Database, chargers: Chargers) -> None:
        self._database = database
        self._chargers = chargers

    async def list(self, scope: Scope, page: PageRequest) -> Page[LocalList]:
        """By charger: those that were ever asked about their list or sent one."""
        found = await select_page(
            self._database, "local_list_overview", LocalListRow, page, scope=scope, where=own_rows(scope),
            order=[("charger_id", "asc")],
        )  # fmt: skip
        differing = await self._differing(scope, [row.charger_id for row in found.items])
        items = [LocalList(**row.model_dump(), differs_by=differing.get(row.charger_id)) for row in found.items]
        return Page(items, found.after)

    async def get(self, scope: Scope, charger_id: str) -> LocalListDetail:
        """One charger's list. Raises NotFound (`charger_not_found`)."""
        charger = await self._chargers.get(scope, charger_id)
        where = [("charger_id", "eq", charger_id)]
        rows = await self._database.select(
            "local_list_overview", scope=scope, columns=LocalListRow.columns(), where=where, limit=1
        )
        entries = await self._database.select(
            "local_list_entries", scope=scope, columns=ListEntry.columns(), where=where,
            order=[("token_key", "asc")], limit=ENTRIES_SHOWN,
        ) if rows else []  # fmt: skip
        orders = await self._database.select(
            "local_list_orders", scope=scope, columns=ListOrder.columns(), where=where,
            order=[("created_at", "desc"), ("id", "desc")], limit=ORDERS_SHOWN,
        )  # fmt: skip
        known = rows[0] if rows else {**_UNKNOWN, "charger_id": charger_id, "cpo_id": charger.cpo_id}
        differing = await self._differing(scope, [charger_id])
        return LocalListDetail.model_validate(
            {**known, "differs_by": differing.get(charger_id), "entries": entries, "orders": orders}
        )

    async def send(self, caller: Caller, charger_id: str, wish: ListWish, delivery: Delivery) -> ListOrder:
        """Makes the list of the CPO's id tokens and sends it.

        Raises NotFound (`charger_not_found`), ChargerOffline, Conflict (`local_list_unsupported`, `local_list_busy`,
        `local_list_version_mismatch`, `idempotency_conflict`), InvalidInput (`local_list_too_long`).
        """
        known = await self.get(caller.scope, charger_id)
        if known.reported_version == -1:
            raise Conflict("The charger says that it keeps no local list.", code="local_list_unsupported")
        arguments = {
            "p_charger_id": charger_id,
            "p_mode": wish.mode,
            "p_max_entries": wish.max_entries,
            "p_max_per_message": wish.max_per_message,
            "p_idempotency_key": delivery.idempotency_key or str(uuid4()),
            "p_queue": delivery.queue,
            "p_expires_in_s": delivery.lifetime_s,
            "p_requested_by_name": caller.name,
        }
        made = await self._database.call("send_local_list", arguments, scope=caller.scope)
        rows = await self._database.select(
            "local_list_orders", scope=caller.scope, columns=ListOrder.columns(), where=[("id", "eq", made)], limit=1
        )
        return ListOrder.model_validate(rows[0])

    async def change(self, caller: Caller, charger_id: str, changes: Mapping[str, Any]) -> LocalListDetail:
        """Sets `sync` and the limits of one charger's list. Raises NotFound (`charger_not_found`)."""
        before = await self.get(caller.scope, charger_id)
        row = {"charger_id": charger_id, "cpo_id": before.cpo_id, **changes}
        await self._database.upsert("local_lists", [row], scope=caller.scope, on=["charger_id"], columns="charger_id")
        return await self.get(caller.scope, charger_id)

    async def _differing(self, scope: Scope, charger_ids: Sequence[str]) -> dict[str, int]:
        if not charger_ids:
            return {}
        counts: dict[str, int] = await self._database.call(
            "count_list_differences", {"p_charger_ids": list(charger_ids)}, scope=scope
        )
        return counts


class LocalListRow(Record):
    """A row of `local_list_overview`."""

    charger_id: str
    cpo_id: str | None
    reported_version: int | None
    reported_at: datetime | None
    version: int | None
    accepted_at: datetime | None
    entry_count: int
    max_entries: int | None
    max_per_message: int | None
    sync: bool | None
    sync_on: bool


_UNKNOWN: dict[str, Any] = {
    **dict.fromkeys(LocalListRow.model_fields), "entry_count": 0, "sync_on": False,
}  # fmt: skip
