"""Whether who holds an access token may still act: a token outlives the login it came from by minutes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Unauthenticated
from backend.domain.scope import SYSTEM
from backend.services.cpos import Cpos, CpoStatus

BELIEVED_FOR: Final = timedelta(seconds=10)
_MAX_REMEMBERED: Final = 10_000


class Standing:
    """Asks the database at most every BELIEVED_FOR per person. `now` is the clock (UTC)."""

    def __init__(self, database: Database, cpos: Cpos, now: Callable[[], datetime]) -> None:
        self._database = database
        self._cpos = cpos
        self._now = now
        self._asked: OrderedDict[str, datetime] = OrderedDict()

    async def check(self, caller: Caller) -> None:
        """Raises Unauthenticated (`token_revoked`) for a person made inactive, or whose CPO is not active."""
        user_id = caller.scope.user_id or ""
        asked = self._asked.get(user_id)
        if asked is not None and self._now() - asked < BELIEVED_FOR:
            return
        self._asked.pop(user_id, None)
        if not await self._stands(user_id):
            raise Unauthenticated("You may not act any more; log in again.", code="token_revoked")
        self._asked[user_id] = self._now()
        while len(self._asked) > _MAX_REMEMBERED:
            self._asked.popitem(last=False)

    async def _stands(self, user_id: str) -> bool:
        where = [("id", "eq", user_id), ("active", "eq", True)]
        rows = await self._database.select("users", scope=SYSTEM, columns="cpo_id", where=where, limit=1)
        if not rows:
            return False
        cpo_id = rows[0]["cpo_id"]
        return cpo_id is None or (await self._cpos.get(SYSTEM, cpo_id)).status is CpoStatus.ACTIVE
