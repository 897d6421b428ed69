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

BELIEVED_FOR: Final = timedelta(seconds=10)
_MAX_REMEMBERED: Final = 10_000


class Standing:
    """Asks the database at most every BELIEVED_FOR per login. `now` is the clock (UTC)."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._asked: OrderedDict[tuple[str | None, str | None], datetime] = OrderedDict()

    async def check(self, caller: Caller) -> None:
        """Raises Unauthenticated (`token_revoked`) for a person made inactive, whose CPO is not active, or whose

        login has ended.
        """
        who = (caller.scope.user_id, caller.login_id)
        asked = self._asked.get(who)
        if asked is not None and self._now() - asked < BELIEVED_FOR:
            return
        self._asked.pop(who, None)
        arguments = {"p_user_id": caller.scope.user_id, "p_login_id": caller.login_id}
        if not await self._database.call("login_stands", arguments, scope=SYSTEM):
            raise Unauthenticated("You may not act any more; log in again.", code="token_revoked")
        self._asked[who] = self._now()
        while len(self._asked) > _MAX_REMEMBERED:
            self._asked.popitem(last=False)
