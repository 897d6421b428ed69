"""API keys: how programs call the API. A key is shown once and kept only as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import Database, Row
from backend.domain.caller import Caller
from backend.domain.errors import NotFound, Unauthenticated
from backend.domain.scope import SYSTEM, Scope
from backend.services.cpos import Cpos, CpoStatus
from backend.services.records import Page, PageRequest, Record, own_rows, select_page
from backend.services.users import cpo_for_role, may_give

KEY_START: Final = "uniev_"
_SHOWN: Final = 12
_NOTE_USE_EVERY: Final = timedelta(minutes=1)


class KeyRole(StrEnum):
    """A role that an API key may have."""

    INTEGRATOR = "integrator"
    EMSV_ADMIN = "emsv_admin"
    NOC_ANALYST = "noc_analyst"


class ApiKey(Record):
    """An API key, without its secret."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO the key acts for; null for the EMSV's keys.")
    name: str = Field(description="What the key is for.")
    role: KeyRole = Field(description="What the key may do.")
    prefix: str = Field(description="First characters of the key, to tell keys apart.")
    created_by: str | None = Field(description="User who made it.")
    created_at: datetime = Field(description="When it was made (UTC).")
    expires_at: datetime | None = Field(description="When it ends to work (UTC); null: never.")
    last_used_at: datetime | None = Field(description="Last use (UTC), to the minute.")
    revoked_at: datetime | None = Field(description="When it was revoked (UTC).")


class NewApiKey(ApiKey):
    """A key just made, with its secret."""

    key: str = Field(description="The key itself: shown this once.")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key to make. `cpo_id` None: the maker's own CPO, or the EMSV."""

    name: str
    role: KeyRole = KeyRole.INTEGRATOR
    cpo_id: str | None = None
    expires_at: datetime | None = None


class ApiKeys:
    """Makes, lists, revokes and recognises API keys."""

    def __init__(self, database: Database, cpos: Cpos, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cpos = cpos
        self._now = now

    async def list(self, scope: Scope, page: PageRequest) -> Page[ApiKey]:
        """Newest first, revoked ones included."""
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "api_keys", ApiKey, page, scope=scope, where=own_rows(scope), order=order
        )

    async def create(self, caller: Caller, wanted: KeyRequest) -> NewApiKey:
        """Makes a key. Raises Forbidden (`role_forbidden`), NotFound (`cpo_not_found`), InvalidInput."""
        may_give(caller, wanted.role)
        key = KEY_START + secrets.token_urlsafe(32)
        row = {
            "cpo_id": await cpo_for_role(self._cpos, caller.scope, wanted.role, wanted.cpo_id),
            "name": wanted.name,
            "role": wanted.role.value,
            "prefix": key[:_SHOWN],
            "key_hash": _hash(key),
            "created_by": caller.scope.user_id,
            "expires_at": wanted.expires_at.isoformat() if wanted.expires_at else None,
        }
        rows = await self._database.insert("api_keys", [row], scope=caller.scope, columns=ApiKey.columns())
        made = ApiKey.model_validate(rows[0])
        return NewApiKey(**made.model_dump(), key=key)

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """Ends a key for good; repeating it changes nothing. Raises NotFound (`api_key_not_found`)."""
        where = [("id", "eq", key_id), *own_rows(caller.scope)]
        rows = await self._database.select(
            "api_keys", scope=caller.scope, columns=ApiKey.columns(), where=where, limit=1
        )
        if not rows:
            raise NotFound("There is no such API key.", code="api_key_not_found")
        key = ApiKey.model_validate(rows[0])
        may_give(caller, key.role)
        if key.revoked_at is not None:
            return
        await self._database.update("api_keys", {"revoked_at": "now"}, scope=caller.scope, where=where, columns="id")

    async def recognise(self, key: str, request_id: str | None) -> Caller:
        """Who calls with this key. Raises Unauthenticated if it is unknown or ended, or its CPO is not active."""
        columns = "id,cpo_id,name,role,expires_at,revoked_at,last_used_at"
        where = [("key_hash", "eq", _hash(key))]
        rows = await self._database.select("api_keys", scope=SYSTEM, columns=columns, where=where, limit=1)
        if not rows or not self._valid(rows[0]):
            raise Unauthenticated("The API key is unknown, expired or revoked.")
        row = rows[0]
        if row["cpo_id"] and (await self._cpos.get(SYSTEM, row["cpo_id"])).status is not CpoStatus.ACTIVE:
            raise Unauthenticated("The CPO of this API key is not active.")
        await self._note_use(row)
        return Caller(Scope(row["role"], row["id"], row["cpo_id"]), f"API key {row['name']}", request_id)

    def _valid(self, row: Row) -> bool:
        return row["revoked_at"] is None and (row["expires_at"] is None or _time(row["expires_at"]) > self._now())

    async def _note_use(self, row: dict[str, Any]) -> None:
        used = row["last_used_at"]
        if used is not None and self._now() - _time(used) < _NOTE_USE_EVERY:
            return
        values = {"last_used_at": self._now().isoformat()}
        where = [("id", "eq", row["id"])]
        await self._database.update("api_keys", values, scope=SYSTEM, where=where, columns="id")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()  # 256 random bits need no slow hash


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
