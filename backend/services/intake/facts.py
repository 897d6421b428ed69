"""What a charger can report, each as one call that returns after the commit. Field names are those of the
SQL functions in `supabase/migrations/*_intake.sql` and `*_readings.sql`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from backend.database import SYSTEM, Database
from backend.domain.authorization import TokenFacts
from backend.domain.credentials import Known
from backend.domain.quirks import LATE, Quirk, is_transaction_id
from backend.domain.readings import REGISTER_DIGITS, Metered, fit, normalise
from backend.domain.timestamps import Moment, believe
from backend.services.intake.lane import Lane
from backend.services.quirk_book import QuirkBook

_encode = msgspec.json.Encoder().encode
_INT64 = 2**63 - 1
_PORTION = 50
_LONGEST_TIME = 64  # characters that are kept of what a charger takes for a time
# In place of a register that nobody can read, or with more digits than any meter has: the highest at the start, the
# lowest at the stop. The register then falls, whatever the other end is: no energy, and the session is held
# (`register_back`).
_UNREADABLE_START_WH = "9" * REGISTER_DIGITS
_UNREADABLE_STOP_WH = "-" + "9" * REGISTER_DIGITS


class GateFacts(NamedTuple):
    """What the gate needs: registration accepted, pending or rejected, and what `Known` is made of."""

    cpo_id: str | None
    registration: str
    password_hash: str | None
    security_profile: int
    pending_hashes: list[str]
    certificate_id: str | None
    certificate_revoked: bool

    @property
    def known(self) -> Known:
        """The credentials."""
        return Known(
            self.security_profile, self.password_hash, self.pending_hashes, self.certificate_id,
            self.certificate_revoked,
        )  # fmt: skip


class Started(NamedTuple):
    """A stored session. `created` is False for a repeated StartTransaction; `token`, and `begun_at`, as of which it is
    judged, are then those of the first."""

    session_id: str
    transaction_id: int
    created: bool
    begun_at: datetime
    token: TokenFacts


class Where(NamedTuple):
    """A connector as stored; evse_id 0 is the charger as a whole."""

    charger_id: str
    evse_id: int
    connector_id: int


class Intake:
    """The use cases of the charger side. All raise what `Lane.submit` raises."""

    def __init__(self, database: Database, lane: Lane, quirks: QuirkBook) -> None:
        self._database = database
        self._lane = lane
        self.quirks = quirks

    async def gate(self, charger_id: str, fingerprint: str | None = None) -> GateFacts | None:
        """Who this identity is; None if nobody registered it. `fingerprint`: of the client certificate it shows."""
        [row] = await self._lane.submit("gates", [{"charger_id": charger_id, "fingerprint": fingerprint}])
        return GateFacts(**row) if row else None

    async def discover(self, charger_id: str, protocol: str) -> None:
        """Registers an unknown identity as pending."""
        await self._database.call(
            "discover_charger", {"p_charger_id": charger_id, "p_protocol": protocol}, scope=SYSTEM
        )

    async def connect(self, row: dict[str, Any]) -> bool:
        """A socket opened: {charger_id, connection_id, node, protocol, remote_address, at, security_profile,
        password_hash, certificate_id}; the last three are what it proved (`domain.credentials.Proof`). Returns whether
        commands wait for that charger."""
        self.quirks.connected(row["charger_id"], row["at"])
        [awaited] = await self._lane.submit("connects", [row])
        return bool(awaited)

    async def disconnect(self, charger_id: str, connection_id: str, at: datetime) -> None:
        """A socket closed; harmless if a newer one has taken its place."""
        await self._lane.submit("disconnects", [{"charger_id": charger_id, "connection_id": connection_id, "at": at}])

    async def boot(self, row: dict[str, Any]) -> str | None:
        """Stores what the charger says of itself; returns its registration, None if it was deleted."""
        [answer] = await self._lane.submit("boots", [row])
        return answer and str(answer["registration"])

    async def status(
        self, where: Where, *, status: str, error_code: str, info: str | None, vendor_error_code: str | None,
        reported_at: object, received_at: datetime,
    ) -> None:  # fmt: skip
        """The state of a connector, or of the whole charger (evse_id 0)."""
        row = {**where._asdict(), "status": status, "error_code": error_code, "error_info": info,
               "vendor_error_code": vendor_error_code, "received_at": received_at,
               "at": self._believed(where.charger_id, reported_at, received_at).at}  # fmt: skip
        await self._lane.submit("statuses", [row])

    async def token(self, charger_id: str, id_token: str) -> TokenFacts:
        """What is known of a token at this charger."""
        [facts] = await self._lane.submit("tokens", [{"charger_id": charger_id, "id_token": id_token}])
        return TokenFacts.of(facts)

    async def start(
        self, where: Where, *, protocol: str, id_token: str, meter_start_wh: Decimal | None, reported_at: object,
        received_at: datetime, reservation_id: object = None,
    ) -> Started:  # fmt: skip
        """A session began, now or long ago (offline history). Repeating it gives the same session.
        `meter_start_wh` None: a register that nobody can read."""
        began = self._believed(where.charger_id, reported_at, received_at)
        row = {**where._asdict(), "protocol": protocol, "id_token": id_token, "reported_at": str(reported_at),
               "clock_trusted": began.trusted, "started_at": began.at, "received_at": received_at,
               "meter_start_wh": _register(meter_start_wh) or _UNREADABLE_START_WH,
               "reservation_id": _int32(reservation_id)}  # fmt: skip
        [answer] = await self._lane.submit("starts", [row])
        self.quirks.began(where.charger_id, answer["transaction_id"])
        if not answer["created"]:
            self.quirks.note(where.charger_id, Quirk.REPEATED_START, f"StartTransaction of {reported_at} again")
        return Started(
            answer["session_id"], answer["transaction_id"], answer["created"],
            datetime.fromisoformat(answer["begun_at"]), TokenFacts.of(answer["token"]),
        )  # fmt: skip

    async def stop(
        self, charger_id: str, *, transaction_id: int, id_token: str | None, meter_stop_wh: Decimal | None,
        reason: str, reported_at: object, received_at: datetime,
    ) -> TokenFacts | None:  # fmt: skip
        """A session ended. An unknown transaction is kept as an orphan. Returns facts of the stopping token.
        `meter_stop_wh` None: a register that nobody can read."""
        row = {"charger_id": charger_id, "transaction_id": _int64(transaction_id) or 0, "id_token": id_token,
               "reported_at": str(reported_at)[:_LONGEST_TIME], "received_at": received_at,
               "meter_stop_wh": _register(meter_stop_wh) or _UNREADABLE_STOP_WH,
               "stopped_at": self._believed(charger_id, reported_at, received_at).at,
               "stop_reason": reason}  # fmt: skip
        [answer] = await self._lane.submit("stops", [row])
        if not answer["found"]:
            known = Quirk.STOP_UNKNOWN if is_transaction_id(transaction_id) else Quirk.BAD_TRANSACTION_ID
            self.quirks.note(charger_id, known, f"StopTransaction transactionId {str(transaction_id)[:30]}")
        return TokenFacts.of(answer["token"]) if answer["token"] else None

    async def report(self, charger_id: str, action: str, payload: dict[str, Any], received_at: datetime) -> None:
        """What a charger tells besides Core, in OCPP's member names; `private.report_reactions` says what follows."""
        row = {"charger_id": charger_id, "action": action, "payload": payload, "received_at": received_at}
        await self._lane.submit("reports", [row])

    def readings(
        self, where: Where, transaction_id: int | None, told: Sequence[Metered], received_at: datetime
    ) -> asyncio.Future[Any]:
        """MeterValues, stored once however often they are sent. To await what it returns is to await the commit."""
        if transaction_id is not None:
            self.quirks.named(where.charger_id, transaction_id)
        if len(told) <= _PORTION:
            rows = [self._reading(where, transaction_id, value, received_at) for value in told]
            return self._lane.enqueue("readings", rows)
        return asyncio.ensure_future(self._long_history(where, transaction_id, told, received_at))

    async def _long_history(
        self, where: Where, transaction_id: int | None, told: Sequence[Metered], received_at: datetime
    ) -> None:
        for portion in _portions(told):
            rows = [self._reading(where, transaction_id, value, received_at) for value in portion]
            await self._lane.submit("readings", rows)

    async def closing_readings(
        self, charger_id: str, *, transaction_id: int, told: Sequence[Metered], received_at: datetime
    ) -> None:
        """The readings that come with a stop: stored at the connector of their session, which they do not name."""
        where = Where(charger_id, 0, 0)
        for portion in _portions(told):
            rows = [self._reading(where, transaction_id, value, received_at) for value in portion]
            await self._lane.submit("readings", [{**row, "evse_id": None, "connector_id": None} for row in rows])

    def _reading(
        self, where: Where, transaction_id: int | None, told: Metered, received_at: datetime
    ) -> dict[str, Any]:
        context, columns, others = normalise(told.samples)
        measured = believe(told.timestamp, received_at)
        if not measured.trusted:
            self.quirks.clock(where.charger_id, told.timestamp, measured, received_at, live=False)
        digest = int.from_bytes(blake2b(_encode((where, told.content)), digest_size=8).digest(), signed=True)
        return {**where._asdict(), "transaction_id": _int64(transaction_id),
                "measured_at": measured.at, "clock_trusted": measured.trusted, "received_at": received_at,
                "context": context, **columns, "samples": others or None, "digest": digest}  # fmt: skip

    def _believed(self, charger_id: str, text: object, received_at: datetime) -> Moment:
        """When what happens now, by the charger's clock, happened."""
        moment = believe(text, received_at)
        if not moment.trusted or received_at - moment.at > LATE:
            self.quirks.clock(charger_id, text, moment, received_at, live=True)
        return moment


def _portions(told: Sequence[Metered]) -> Iterator[Sequence[Metered]]:
    """A message may hold thousands of readings: stored a few at a time, between those of other chargers."""
    for start in range(0, len(told), _PORTION):
        yield told[start : start + _PORTION]


def _int64(number: int | None) -> int | None:
    return number if number is not None and abs(number) <= _INT64 else None


def _int32(number: object) -> int | None:
    return number if isinstance(number, int) and -(2**31) <= number < 2**31 else None


def _register(number: Decimal | None) -> str | None:
    """A register in Wh as exact text; None for one that is no meter's."""
    return None if number is None else fit(number, REGISTER_DIGITS)
