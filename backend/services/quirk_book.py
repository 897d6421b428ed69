"""Counts deviations where they are mended or distrusted, in memory; tells the database every few seconds.

A charger that deviates in nothing costs a look into a dictionary per message. The counters may lose what a killed
server counted in the last seconds; they never count twice, since each delivery bears an id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec

from backend.database import SYSTEM, Database
from backend.domain.configuration import hide_url_passwords
from backend.domain.errors import DomainError
from backend.domain.json_text import storable
from backend.domain.masking import Mask
from backend.domain.quirks import LATE, Quirk, clock_quirk, is_transaction_id
from backend.domain.timestamps import Moment

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_MOST: Final = 20_000  # counters at a time; beyond, new ones wait for the next delivery
_REMEMBERED: Final = 4  # transactions per charger that are known to be its own
_CHARGERS: Final = 50_000
LONGEST_EXAMPLE: Final = 500
_LOOKED_AT: Final = 4000  # characters of an example that are masked and then cut


class _Count(msgspec.Struct):
    charger_id: str
    quirk: str
    transaction_id: int | None
    first_at: datetime
    last_at: datetime
    example: str | None = None
    occurrences: int = 0


class QuirkBook:
    """One per OCPP server. `mask` hides identifiers in examples."""

    def __init__(self, database: Database, mask: Mask, *, every_s: float = 5.0) -> None:
        self._database = database
        self._mask = mask
        self._every_s = every_s
        self._counts: dict[tuple[str, str, int | None], _Count] = {}
        self._unsent: tuple[str, list[_Count]] | None = None  # on its way; sent again under the same id
        self._transactions: dict[str, tuple[int, ...]] = {}
        self._connected: dict[str, datetime] = {}

    # -- what happens

    def note(self, charger_id: str, quirk: Quirk, example: str = "", *, transaction_id: int | None = None) -> None:
        """One deviation. With a transaction id it counts only if the charger has no such session."""
        name = (charger_id, quirk.value, transaction_id)
        now = datetime.now(UTC)
        count = self._counts.get(name)
        if count is None:
            if len(self._counts) >= _MOST:
                return
            count = self._counts[name] = _Count(charger_id, quirk.value, transaction_id, now, now)
        count.occurrences += 1
        count.last_at = now
        if example and count.example is None:
            count.example = self._shown(example)

    def _shown(self, example: str) -> str:
        """Masked and storable, whatever a charger put into it."""
        text = example[:_LOOKED_AT].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        return hide_url_passwords(self._mask.frame(text))[:LONGEST_EXAMPLE]

    def connected(self, charger_id: str, at: datetime) -> None:
        """A socket opened: what was said before it may come late."""
        self._connected[charger_id] = at
        _forget_oldest(self._connected)

    def clock(self, charger_id: str, text: object, moment: Moment, received_at: datetime, *, live: bool) -> None:
        """Looks at a time that is not believed, or late. `live`: the message speaks of the moment it is sent."""
        if not moment.trusted:
            if quirk := clock_quirk(text, received_at):
                self.note(charger_id, quirk, f"{str(text)[:60]} received {received_at.isoformat()}")
        elif live and received_at - moment.at > LATE:
            opened_at = self._connected.get(charger_id)
            if (
                opened_at is not None and moment.at > opened_at
            ):  # it was connected then, so there was nothing to wait for
                self.note(charger_id, Quirk.CLOCK_BEHIND, f"{str(text)[:60]} received {received_at.isoformat()}")

    def began(self, charger_id: str, transaction_id: int) -> None:
        """A transaction of this charger."""
        own = self._transactions.get(charger_id, ())
        self._transactions[charger_id] = (transaction_id, *own)[:_REMEMBERED]
        _forget_oldest(self._transactions)

    def named(self, charger_id: str, transaction_id: int) -> None:
        """Readings name a transaction; one that is not known here is looked up with the next delivery."""
        if transaction_id in self._transactions.get(charger_id, ()):
            return
        if not is_transaction_id(transaction_id):
            self.note(charger_id, Quirk.BAD_TRANSACTION_ID, f"MeterValues transactionId {str(transaction_id)[:30]}")
        else:
            example = f"MeterValues transactionId {transaction_id}"
            self.note(charger_id, Quirk.READINGS_UNKNOWN, example, transaction_id=transaction_id)

    # -- delivery

    async def run(self) -> None:
        """Delivers until cancelled, then delivers what is left."""
        try:
            while True:
                await asyncio.sleep(self._every_s)
                await self.deliver()
        finally:
            await self.deliver()

    async def deliver(self) -> None:
        """Tells the database; what it does not take now is told again, under the same id."""
        if self._unsent is None:
            if not self._counts:
                return
            self._unsent = (str(uuid4()), list(self._counts.values()))
            self._counts = {}
        number, counts = self._unsent
        rows = msgspec.Raw(storable(_encode(counts)))
        try:
            own = await self._database.call("count_quirks", {"p_id": number, "p_rows": rows}, scope=SYSTEM)
        except DomainError as error:
            log.warning("quirks not counted yet: %s", error.detail)
            return
        self._unsent = None
        self._learn(own)

    def _learn(self, own: Iterable[dict[str, Any]]) -> None:
        for row in own:
            self.began(row["charger_id"], row["transaction_id"])


def _forget_oldest(book: dict[str, Any]) -> None:
    if len(book) > _CHARGERS:
        del book[next(iter(book))]
