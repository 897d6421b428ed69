"""Charging sessions on the charger's side: opened, measured, closed, and told to the platform through the
outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ocpp.v16 import call

from simulator.books import BookedReading, BookedSession, Books
from simulator.charger import Charger, Reading
from simulator.configuration import Configuration
from simulator.outbox import Message, Outbox
from simulator.quirks import Quirks
from simulator.samples import meter_value
from simulator.tags import TagInfo

NO_TRANSACTION = -1
"""What StopTransaction carries when StartTransaction was never answered (OCPP 1.6J erratum 3.18)."""


class Sessions:
    """The open sessions of one charger by connector, and the messages they cause.

    `started` is called with a session whose StartTransaction was answered, and what was said of its tag; `idle` is
    set while no session is open.
    """

    def __init__(
        self,
        charger_id: str,
        charger: Charger,
        books: Books,
        outbox: Outbox,
        configuration: Configuration,
        quirks: Callable[[], Quirks],
        started: Callable[[BookedSession, TagInfo], None],
        keep_readings: bool = True,
    ) -> None:
        self._charger_id = charger_id
        self._charger = charger
        self._books = books
        self._outbox = outbox
        self._configuration = configuration
        self._quirks = quirks
        self._on_started = started
        self._keep_readings = keep_readings
        self._begin_values: dict[int, Reading] = {}
        self.open: dict[int, BookedSession] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    def by_transaction(self, transaction_id: int) -> BookedSession | None:
        """The open session with this transaction id."""
        return next((row for row in self.open.values() if row.transaction_id == transaction_id), None)

    def begin(self, connector_id: int, id_token: str, at: datetime, reservation_id: int | None = None) -> BookedSession:
        """Open a session and queue its StartTransaction. ValueError if one is open on the connector."""
        if connector_id in self.open:
            raise ValueError(f"connector {connector_id} has a session already")
        self._charger.begin(connector_id, at)
        reading = self._charger.read(connector_id, at)
        said_wh = self._quirks().lie(reading.energy_wh, reading.energy_wh)
        session = BookedSession(self._charger_id, connector_id, id_token, at, reading.energy_wh, said_wh)
        session.last_meter_wh = reading.energy_wh
        session.reservation_id = reservation_id
        self.open[connector_id] = session
        self.idle.clear()
        self._begin_values[connector_id] = reading
        self._books.begin(session)
        self._put(session, lambda: self._start(session), self._started(session), opens=True)
        return session

    def _start(self, session: BookedSession) -> Any:
        quirks = self._quirks()
        return call.StartTransaction(
            connector_id=session.connector_id,
            id_tag=session.id_token.lower() if quirks.lower_case_tags else session.id_token,
            meter_start=session.said_start_wh,
            timestamp=quirks.timestamp(session.started_at),
            reservation_id=session.reservation_id,
        )

    def _started(self, session: BookedSession) -> Callable[[Any], None]:
        def answered(answer: Any) -> None:
            session.transaction_id = answer.transaction_id
            session.start_acknowledged = True
            info = TagInfo.read(answer.id_tag_info)
            session.start_status = info.status
            self._on_started(session, info)

        return answered

    def _put(
        self, session: BookedSession, build: Callable[[], Any], answered: Callable[[Any], None], opens: bool = False
    ) -> None:
        def given_up() -> None:
            session.given_up = True

        self._outbox.put(Message(build, answered, given_up, session, opens))

    def measure(self, connector_id: int, at: datetime, context: str = "Sample.Periodic") -> Reading:
        """Read the meter of an open session and queue a MeterValues; KeyError without a session."""
        session = self.open[connector_id]
        reading = self._charger.read(connector_id, at)
        session.last_meter_wh = reading.energy_wh
        session.readings_sent += 1
        booked = BookedReading(at, reading.energy_wh, reading.power_w)
        if self._keep_readings:
            session.readings.append(booked)
        value = self._value(session, reading, context)

        def answered(_answer: Any) -> None:
            booked.acknowledged = True
            session.readings_acknowledged += 1

        self._outbox.put(Message(lambda: self._meter_values(session, value), answered, lambda: None, session))
        return reading

    def _value(self, session: BookedSession, reading: Reading, context: str) -> dict[str, Any]:
        quirks = self._quirks()
        said_wh = quirks.lie(reading.energy_wh, session.meter_start_wh)
        return meter_value(
            reading,
            said_wh,
            context=context,
            measurands=self.measurands("MeterValuesSampledData"),
            quirks=quirks,
        )

    def measurands(self, key: str) -> list[str]:
        """The list a configuration key holds."""
        return [name for name in self._configuration.text(key).split(",") if name]

    def _meter_values(self, session: BookedSession, value: dict[str, Any]) -> Any:
        replacement = self._quirks().reading_transaction_id
        transaction_id = session.transaction_id if replacement == "own" else replacement
        return call.MeterValues(session.connector_id, [value], transaction_id)

    def end(self, connector_id: int, at: datetime, cause: str, id_token: str | None = None) -> BookedSession | None:
        """Close the session of a connector and queue its StopTransaction; None when there is none.

        `cause` is an OCPP 1.6 Reason; "Local" is the default and is left out of the message.
        """
        session = self.open.pop(connector_id, None)
        if session is None:
            return None
        if not self.open:
            self.idle.set()
        reading = self._charger.read(connector_id, at)
        self._charger.end(connector_id, at)
        quirks = self._quirks()
        said_wh = quirks.lie(reading.energy_wh, session.meter_start_wh)
        self._books.end(session, at, reading.energy_wh, said_wh, cause)
        data = self._stop_data(session, self._begin_values.pop(connector_id, None), reading)
        for _copy in range(2 if quirks.duplicate_stop else 1):
            self._put(session, lambda: self._stop(session, id_token, data), self._stopped(session))
        return session

    def _stop(self, session: BookedSession, id_token: str | None, data: list[dict[str, Any]] | None) -> Any:
        quirks = self._quirks()
        known = NO_TRANSACTION if session.transaction_id is None else session.transaction_id
        replacement = quirks.stop_transaction_id
        return call.StopTransaction(
            meter_stop=session.said_stop_wh if session.said_stop_wh is not None else session.last_meter_wh,
            timestamp=quirks.timestamp(session.stopped_at or session.started_at),
            transaction_id=known if replacement is None else replacement,
            reason=None if session.cause == "Local" else session.cause,
            id_tag=id_token,
            transaction_data=data,
        )

    @staticmethod
    def _stopped(session: BookedSession) -> Callable[[Any], None]:
        def answered(_answer: Any) -> None:
            session.stop_acknowledged = True

        return answered

    def _stop_data(self, session: BookedSession, first: Reading | None, last: Reading) -> list[dict[str, Any]] | None:
        measurands = self.measurands("StopTxnSampledData")
        quirks = self._quirks()
        if quirks.stop_data and not measurands:
            measurands = ["Energy.Active.Import.Register"]
        if not measurands or first is None:
            return None
        ends = ((first, "Transaction.Begin"), (last, "Transaction.End"))
        return [
            meter_value(
                reading,
                quirks.lie(reading.energy_wh, session.meter_start_wh),
                context=context,
                measurands=measurands,
                quirks=quirks,
            )
            for reading, context in ends
        ]

    def take_over(self, session: BookedSession, until: datetime) -> None:
        """Enter a session from before a restart of the simulator: it ended with the power, at `until`."""
        self._books.begin(session)
        if not session.start_acknowledged:
            self._put(session, lambda: self._start(session), self._started(session), opens=True)
        if session.open:
            self._books.end(session, until, session.last_meter_wh, session.last_meter_wh, "PowerLoss")
        if not session.stop_acknowledged:
            self._put(session, lambda: self._stop(session, None, None), self._stopped(session))

    def catch_up(self, at: datetime) -> None:
        """Bring the books of open sessions up to `at` without sending anything."""
        for connector_id, session in self.open.items():
            session.last_meter_wh = self._charger.read(connector_id, at).energy_wh
