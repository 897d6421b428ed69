"""Id tokens: what opens a charger (RFID card, app, remote)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.cpos import Cpos
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class TokenKind(StrEnum):
    """How the token is presented."""

    RFID = "rfid"
    APP = "app"
    REMOTE = "remote"


class TokenStatus(StrEnum):
    """Whether the token opens chargers; expiry counts besides."""

    ACTIVE = "active"
    BLOCKED = "blocked"


class IdToken(Record):
    """A token that opens the chargers of its CPO, or of all CPOs if it belongs to the EMSV."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO whose chargers it opens; null: the EMSV's, opens all.")
    token: str = Field(description="The token as the charger sends it; compared without regard to case.")
    kind: TokenKind = Field(description="`rfid`, `app` or `remote`.")
    status: TokenStatus = Field(description="`active` or `blocked`.")
    expires_at: datetime | None = Field(description="End of validity (UTC); may lie in the past.")
    parent_token: str | None = Field(description="Group: tokens with the same parent may stop each other's sessions.")
    holder_name: str | None = Field(description="Who holds it.")
    note: str | None = Field(description="Free text.")
    created_at: datetime = Field(description="When it was created (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")


class IdTokens:
    """Reads and changes id tokens in the caller's scope."""

    def __init__(self, database: Database, cpos: Cpos) -> None:
        self._database = database
        self._cpos = cpos

    async def list(
        self,
        scope: Scope,
        page: PageRequest,
        *,
        token: str | None = None,
        status: TokenStatus | None = None,
        kind: TokenKind | None = None,
    ) -> Page[IdToken]:
        """Newest first; `token` is compared without regard to case."""
        where = [
            *own_rows(scope),
            *given(
                ("token_key", "eq", token.lower() if token else None),
                ("status", "eq", status),
                ("kind", "eq", kind),
            ),
        ]
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(self._database, "id_tokens", IdToken, page, scope=scope, where=where, order=order)

    async def get(self, scope: Scope, token_id: str) -> IdToken:
        """One token. Raises NotFound (`id_token_not_found`), also for a foreign one."""
        rows = await self._database.select(
            "id_tokens", scope=scope, columns=IdToken.columns(), where=_row(scope, token_id), limit=1
        )
        if not rows:
            raise NotFound("There is no such id token.", code="id_token_not_found")
        return IdToken.model_validate(rows[0])

    async def create(self, caller: Caller, values: Mapping[str, Any], cpo_id: str | None) -> IdToken:
        """Creates a token of the named CPO or the caller's own; of the EMSV if there is neither.

        Raises NotFound (`cpo_not_found`), Conflict (`id_token_exists`).
        """
        chosen = cpo_id or caller.scope.cpo_id
        owner = (await self._cpos.get(caller.scope, chosen)).id if chosen else None
        row = {**values, "cpo_id": owner}
        try:
            rows = await self._database.insert("id_tokens", [row], scope=caller.scope, columns=IdToken.columns())
        except Conflict as error:
            raise _taken() from error
        return IdToken.model_validate(rows[0])

    async def update(self, caller: Caller, token_id: str, changes: Mapping[str, Any]) -> IdToken:
        """Changes the given columns. Raises NotFound (`id_token_not_found`), Conflict (`id_token_exists`)."""
        await self.get(caller.scope, token_id)
        try:
            rows = await self._database.update(
                "id_tokens",
                {**changes, "updated_at": "now"},
                scope=caller.scope,
                where=_row(caller.scope, token_id),
                columns=IdToken.columns(),
            )
        except Conflict as error:
            raise _taken() from error
        if not rows:
            raise NotFound("There is no such id token.", code="id_token_not_found")
        return IdToken.model_validate(rows[0])

    async def delete(self, caller: Caller, token_id: str) -> None:
        """Removes a token; its sessions stay. Raises NotFound (`id_token_not_found`)."""
        await self.get(caller.scope, token_id)
        await self._database.delete("id_tokens", scope=caller.scope, where=_row(caller.scope, token_id), columns="id")


def _row(scope: Scope, token_id: str) -> list[Condition]:
    return [("id", "eq", token_id), *own_rows(scope)]


def _taken() -> Conflict:
    return Conflict("The CPO has this token already.", code="id_token_exists")
