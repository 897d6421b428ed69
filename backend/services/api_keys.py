"""API keys: how programs call the API. A key is shown once and kept only as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import uuid4

from pydantic import Field

from backend.database import Database, Row
from backend.domain.caller import Caller
from backend.domain.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from backend.domain.roles import permissions_of
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
    scopes: list[str] | None = Field(description="Permissions it is narrowed to; null: all of its role.")
    requests_per_minute: int | None = Field(description="Requests it may send in a minute; null: as many as a person.")
    replaced_by: str | None = Field(description="Key it was exchanged for; both work until `expires_at` of this one.")


class NewApiKey(ApiKey):
    """A key just made, with its secret."""

    key: str = Field(description="The key itself: shown this once.")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A key to make. `cpo_id` None: the maker's own CPO, or the EMSV. `scopes` None: all that the role may do."""

    name: str
    role: KeyRole = KeyRole.INTEGRATOR
    cpo_id: str | None = None
    expires_at: datetime | None = None
    scopes: Sequence[str] | None = None
    requests_per_minute: int | None = None


class Recognised(NamedTuple):
    """Who calls with a key, and how many requests it may send in a minute (None: the usual)."""

    caller: Caller
    requests_per_minute: int | None


class ApiKeys:
    """Makes, lists, exchanges, revokes and recognises API keys."""

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
        """Makes a key.

        Raises Forbidden (`role_forbidden`, `scope_forbidden`), NotFound (`cpo_not_found`), InvalidInput
        (`unknown_scope`).
        """
        may_give(caller, wanted.role)
        _check_scopes(caller.scope, wanted)
        key = KEY_START + secrets.token_urlsafe(32)
        row = {
            "cpo_id": await cpo_for_role(self._cpos, caller.scope, wanted.role, wanted.cpo_id),
            "name": wanted.name,
            "role": wanted.role.value,
            "prefix": key[:_SHOWN],
            "key_hash": _hash(key),
            "created_by": caller.scope.user_id,
            "expires_at": wanted.expires_at.isoformat() if wanted.expires_at else None,
            "scopes": sorted(set(wanted.scopes)) if wanted.scopes is not None else None,
            "requests_per_minute": wanted.requests_per_minute,
        }
        rows = await self._database.insert("api_keys", [row], scope=caller.scope, columns=ApiKey.columns())
        made = ApiKey.model_validate(rows[0])
        return NewApiKey(**made.model_dump(), key=key)

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """Ends a key for good; repeating it changes nothing. Raises NotFound (`api_key_not_found`)."""
        key = await self._given(caller, key_id)
        if key.revoked_at is not None:
            return
        where = [("id", "eq", key_id), *own_rows(caller.scope)]
        await self._database.update("api_keys", {"revoked_at": "now"}, scope=caller.scope, where=where, columns="id")

    async def rotate(self, caller: Caller, key_id: str, overlap_s: int) -> NewApiKey:
        """Exchanges a key for another, alike in all but its secret; the former works for `overlap_s` more seconds.

        A key with an end gets a successor that lasts as long as it did. Raises Forbidden (`role_forbidden`,
        `scope_forbidden`), NotFound (`api_key_not_found`), Conflict (`api_key_conflict`) for one that has ended.
        """
        former = await self._given(caller, key_id)
        _check_scopes(caller.scope, KeyRequest(former.name, former.role, scopes=former.scopes))
        key, made = KEY_START + secrets.token_urlsafe(32), str(uuid4())
        lasts = former.expires_at - former.created_at if former.expires_at else None
        arguments = {
            "p_key_id": key_id,
            "p_id": made,
            "p_prefix": key[:_SHOWN],
            "p_key_hash": _hash(key),
            "p_expires_at": (self._now() + lasts).isoformat() if lasts else None,
            "p_overlap_s": overlap_s,
        }
        # As the platform: nobody else reads the columns that a successor inherits.
        await self._database.call("rotate_api_key", arguments, scope=caller.as_platform)
        return NewApiKey(**(await self._given(caller, made)).model_dump(), key=key)

    async def _given(self, caller: Caller, key_id: str) -> ApiKey:
        where = [("id", "eq", key_id), *own_rows(caller.scope)]
        rows = await self._database.select(
            "api_keys", scope=caller.scope, columns=ApiKey.columns(), where=where, limit=1
        )
        if not rows:
            raise NotFound("There is no such API key.", code="api_key_not_found")
        key = ApiKey.model_validate(rows[0])
        may_give(caller, key.role)
        return key

    async def recognise(self, key: str, request_id: str | None) -> Recognised:
        """Who calls with this key. Raises Unauthenticated if it is unknown or ended, or its CPO is not active."""
        columns = "id,cpo_id,name,role,expires_at,revoked_at,last_used_at,scopes,requests_per_minute"
        where = [("key_hash", "eq", _hash(key))]
        rows = await self._database.select("api_keys", scope=SYSTEM, columns=columns, where=where, limit=1)
        if not rows or not self._valid(rows[0]):
            raise Unauthenticated("The API key is unknown, expired or revoked.")
        row = rows[0]
        if row["cpo_id"] and (await self._cpos.get(SYSTEM, row["cpo_id"])).status is not CpoStatus.ACTIVE:
            raise Unauthenticated("The CPO of this API key is not active.")
        await self._note_use(row)
        scopes = None if row["scopes"] is None else frozenset(row["scopes"])
        scope = Scope(row["role"], row["id"], row["cpo_id"], permissions=scopes)
        return Recognised(Caller(scope, f"API key {row['name']}", request_id), row["requests_per_minute"])

    def _valid(self, row: Row) -> bool:
        return row["revoked_at"] is None and (row["expires_at"] is None or _time(row["expires_at"]) > self._now())

    async def _note_use(self, row: dict[str, Any]) -> None:
        used = row["last_used_at"]
        if used is not None and self._now() - _time(used) < _NOTE_USE_EVERY:
            return
        values = {"last_used_at": self._now().isoformat()}
        where = [("id", "eq", row["id"])]
        await self._database.update("api_keys", values, scope=SYSTEM, where=where, columns="id")


def _check_scopes(scope: Scope, wanted: KeyRequest) -> None:
    """A key has no more than its role, nor than the key it is made with."""
    if unknown := sorted(set(wanted.scopes or ()) - set(permissions_of(wanted.role))):
        detail = f"The role {wanted.role.value} does not include {', '.join(unknown)}."
        raise InvalidInput(detail, code="unknown_scope", members=[("scopes", detail)])
    if scope.permissions is not None and (wanted.scopes is None or not scope.permissions >= set(wanted.scopes)):
        raise Forbidden("A key that is narrowed to scopes makes none that may do more.", code="scope_forbidden")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()  # 256 random bits need no slow hash


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
