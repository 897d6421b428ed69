"""Drivers: people who charge. A CPO sees of them what it needs, and what was charged at its own stations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, select_page, within
from backend.services.sessions import Session


class Driver(Record):
    """A person who charges, as far as the caller may know: a CPO gets the contact only if the driver agreed."""

    id: str = Field(description="Identifier (UUID).")
    name: str | None = Field(description="Name; null once the driver was erased.")
    contact: str | None = Field(description="E-mail address or telephone number; null if there is none to be shown.")
    car: str | None = Field(description="Make and model of the car.")
    battery_wh: int | None = Field(description="Capacity of the car's battery in Wh.")
    created_at: datetime = Field(description="When the driver was registered (UTC).")
    updated_at: datetime = Field(description="Last change (UTC).")
    erased_at: datetime | None = Field(description="When the personal data were erased (UTC); null: they were not.")


class HeldToken(Record):
    """An id token in the hands of a driver."""

    id_token_id: str | None = Field(description="The id token; null if it was deleted.")
    cpo_id: str | None = Field(description="CPO of the token; null: the EMSV's.")
    held_since: datetime = Field(description="Since when the driver holds it (UTC).")
    held_until: datetime | None = Field(description="Until when (UTC); null: still.")


class Drivers:
    """Registers, reads and changes drivers in the caller's scope; the row policies decide whom the caller knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, scope: Scope, page: PageRequest, *, name: str | None = None) -> Page[Driver]:
        """Newest first; `name`: only whose name contains it."""
        return await select_page(
            self._database, "driver_profiles", Driver, page, scope=scope,
            where=given(("name", "ilike", within(name))), order=[("created_at", "desc"), ("id", "desc")],
        )  # fmt: skip

    async def get(self, scope: Scope, driver_id: str) -> Driver:
        """One driver. Raises NotFound (`driver_not_found`), also for one that the caller never met."""
        rows = await self._database.select(
            "driver_profiles", scope=scope, columns=Driver.columns(), where=[("id", "eq", driver_id)], limit=1
        )
        if not rows:
            raise NotFound("There is no such driver.", code="driver_not_found")
        return Driver.model_validate(rows[0])

    async def register(self, caller: Caller, values: Mapping[str, Any]) -> Driver:
        """A new driver, known to the caller's CPO."""
        driver_id = str(uuid4())
        await self._database.call(
            "register_driver", {"p_driver_id": driver_id, "p_values": dict(values)}, scope=caller.scope
        )
        return await self.get(caller.scope, driver_id)

    async def change(self, caller: Caller, driver_id: str, values: Mapping[str, Any]) -> Driver:
        """Changes what is given. Raises NotFound (`driver_not_found`)."""
        await self._database.call(
            "change_driver", {"p_driver_id": driver_id, "p_values": dict(values)}, scope=caller.scope
        )
        return await self.get(caller.scope, driver_id)

    async def sessions(self, scope: Scope, driver_id: str, page: PageRequest) -> Page[Session]:
        """What the driver charged, newest first: at its own stations for a CPO. Raises NotFound."""
        await self.get(scope, driver_id)
        at, session_id = page.after or (None, None)
        arguments = {
            "p_driver_id": driver_id,
            "p_after_at": at,
            "p_after_id": session_id,
            "p_limit": page.limit + 1,
        }
        rows = await self._database.call("driver_sessions", arguments, scope=scope)
        kept = rows[: page.limit]
        after = [kept[-1]["started_at"], kept[-1]["id"]] if len(rows) > page.limit else None
        return Page([Session.model_validate(row) for row in kept], after)

    async def tokens(self, scope: Scope, driver_id: str) -> Sequence[HeldToken]:
        """The tokens a driver holds or held, latest first; for a CPO its own ones. Raises NotFound."""
        await self.get(scope, driver_id)
        rows = await self._database.select(
            "driver_tokens", scope=scope, columns=HeldToken.columns(), where=[("driver_id", "eq", driver_id)],
            order=[("held_since", "desc")], limit=200,
        )  # fmt: skip
        return [HeldToken.model_validate(row) for row in rows]

    async def hold(self, caller: Caller, driver_id: str, token_id: str, since: datetime) -> Sequence[HeldToken]:
        """The driver holds a token from `since` on. Raises NotFound (`driver_not_found`, `id_token_not_found`)."""
        await self._database.call(
            "hold_token",
            {"p_driver_id": driver_id, "p_token_id": token_id, "p_since": since.isoformat()},
            scope=caller.scope,
        )
        return await self.tokens(caller.scope, driver_id)

    async def release(self, caller: Caller, driver_id: str, token_id: str) -> None:
        """The driver holds a token no longer. Raises NotFound (`driver_not_found`)."""
        await self._database.call(
            "release_token", {"p_driver_id": driver_id, "p_token_id": token_id}, scope=caller.scope
        )
