"""Reservations on the charger's side (1.6 §5.13): who holds a plug until when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from simulator.charger import Charger, Connector

ANY = 0
"""Connector number of a reservation of the whole charger."""

_BLOCKED = {"Faulted": "Faulted", "Unavailable": "Unavailable"}
_FREE = {"Available", "Reserved"}


@dataclass(frozen=True, slots=True)
class Reservation:
    """`connector_id` ANY: one plug, no matter which. `parent` is the group that may use it too."""

    reservation_id: int
    connector_id: int
    id_token: str
    parent: str | None
    expires_at: datetime

    def belongs_to(self, id_token: str, parent: str | None) -> bool:
        """Whether this driver may use it; tags are compared regardless of case."""
        if self.id_token.casefold() == id_token.casefold():
            return True
        return self.parent is not None and parent is not None and self.parent.casefold() == parent.casefold()


class Reservations:
    """The reservations of one charger; keeps `Connector.reserved` true to them."""

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self._rows: dict[int, Reservation] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, wanted: Reservation) -> str:
        """ReserveNow: Accepted, or why not (Faulted, Occupied, Unavailable). The same id replaces."""
        before = self._rows.pop(wanted.reservation_id, None)
        self._mark()
        refusal = self._refusal(wanted)
        kept = before if refusal else wanted
        if kept:
            self._rows[kept.reservation_id] = kept
        self._mark()
        return refusal or "Accepted"

    def _refusal(self, wanted: Reservation) -> str | None:
        plugs = self._charger.connectors
        if self._charger.fault:
            return "Faulted"
        if wanted.connector_id != ANY:
            return _why_not(plugs[wanted.connector_id])
        found = [_why_not(plug) for plug in plugs.values()]
        if None in found:
            return None
        return next((reason for reason in ("Occupied", "Faulted", "Unavailable") if reason in found), "Occupied")

    def cancel(self, reservation_id: int) -> bool:
        """CancelReservation; False if there is none with this id."""
        found = self._rows.pop(reservation_id, None)
        self._mark()
        return found is not None

    def expire(self, now: datetime) -> bool:
        """Drop what is over (its time has come, or its plug is out of order), and look anew at which plugs are kept.

        True if anything was over.
        """
        plugs = self._charger.connectors
        gone = [
            row.reservation_id
            for row in self._rows.values()
            if row.expires_at <= now
            or (row.connector_id != ANY and (plugs[row.connector_id].fault or not plugs[row.connector_id].operative))
        ]
        for reservation_id in gone:
            del self._rows[reservation_id]
        self._mark()
        return bool(gone)

    @property
    def next_expiry(self) -> datetime | None:
        """When the first one expires."""
        return min((row.expires_at for row in self._rows.values()), default=None)

    def of(self, connector_id: int, id_token: str, parent: str | None) -> Reservation | None:
        """The reservation that this driver uses here: the plug's own before one of the whole charger."""
        mine = [row for row in self._rows.values() if row.belongs_to(id_token, parent)]
        mine = [row for row in mine if row.connector_id in {connector_id, ANY}]
        return max(mine, key=lambda row: row.connector_id, default=None)

    def bars(self, connector_id: int, id_token: str, parent: str | None) -> bool:
        """Whether the plug is kept for somebody else."""
        return self._charger.connectors[connector_id].reserved and not self.of(connector_id, id_token, parent)

    def use(self, connector_id: int, id_token: str, parent: str | None) -> int | None:
        """A session begins: the driver's reservation ends; its id, None without one."""
        found = self.of(connector_id, id_token, parent)
        if found is None:
            return None
        del self._rows[found.reservation_id]
        self._mark()
        return found.reservation_id

    def _mark(self) -> None:
        own = {row.connector_id for row in self._rows.values()}
        plugs = self._charger.connectors
        for number, plug in plugs.items():
            plug.reserved = number in own
        floating = sum(row.connector_id == ANY for row in self._rows.values())
        free = [plug for plug in plugs.values() if plug.status in _FREE and not plug.reserved]
        if floating and len(free) <= floating:
            for plug in free:
                plug.reserved = True


def _why_not(plug: Connector) -> str | None:
    status = plug.status
    return None if status == "Available" else _BLOCKED.get(status, "Occupied")
