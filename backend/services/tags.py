"""Tags: words that people give chargers, to choose them by."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.domain.scope import Scope
from backend.services.records import Record, own_rows


class ChargerTags(Record):
    """The tags of a charger."""

    tags: list[str] = Field(description="Tags in lower case, in alphabetical order.")


class Tags:
    """Reads and sets tags in the caller's scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, scope: Scope, charger_id: str) -> ChargerTags:
        """Raises NotFound (`charger_not_found`), also for a foreign one."""
        where = [("id", "eq", charger_id), *own_rows(scope)]
        rows = await self._database.select("chargers", scope=scope, columns="tags", where=where, limit=1)
        if not rows:
            raise NotFound("There is no such charger.", code="charger_not_found")
        return ChargerTags.model_validate(rows[0])

    async def put(self, caller: Caller, charger_id: str, tags: Sequence[str]) -> ChargerTags:
        """Replaces them. Raises NotFound (`charger_not_found`), Forbidden."""
        await self.get(caller.scope, charger_id)
        wanted = sorted({tag.strip().lower() for tag in tags} - {""})
        where = [("id", "eq", charger_id), *own_rows(caller.scope)]
        [row] = await self._database.update(
            "chargers", {"tags": wanted}, scope=caller.scope, where=where, columns="cpo_id,tags"
        )
        return ChargerTags.model_validate(row)
