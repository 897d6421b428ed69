"""OCPP 1.6J: what each message of a charger means to the platform, and what it is answered.

Every handler takes a payload that passed (or was mended to) the schema and returns the answer's payload; the
answer to Start, Stop, MeterValues and StatusNotification is made after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import msgspec

from backend.domain.authorization import TokenFacts, decide
from backend.domain.quirks import Quirk
from backend.domain.readings import Metered, read_number
from backend.ocppj import frames, typed
from backend.ocppj.admission import BootQueue
from backend.ocppj.connection import Connection, Handler, Once
from backend.ocppj.schemas import Violation
from backend.services.intake.facts import Intake, Where
from backend.services.treatments import Treatments

PROTOCOL: Final = "ocpp1.6"
_CONNECTOR_LIMIT: Final = 10_000
_PENDING_INTERVAL_S: Final = 60
_ONLY_OF_ACCEPTED: Final = {"RemoteStartTransaction", "RemoteStopTransaction"}
_TRIGGERS: Final = {"TriggerMessage", "ExtendedTriggerMessage"}
_LONGEST_TAG: Final = 20  # characters of an IdToken (§7.28)
_REGISTRATIONS: Final = {"accepted": "Accepted", "pending": "Pending", "rejected": "Rejected"}

# What chargers report besides Core (§4.4, §4.5; security whitepaper §5), and what each is answered once it is stored.
REPORTS: Final[Mapping[str, dict[str, str]]] = {
    "DiagnosticsStatusNotification": {},
    "FirmwareStatusNotification": {},
    "LogStatusNotification": {},
    "SecurityEventNotification": {},
    "SignCertificate": {"status": "Accepted"},  # the certificate follows with CertificateSigned
    "SignedFirmwareStatusNotification": {},
}


class V16:
    """The dialect of OCPP 1.6. `heartbeat_interval_s` is told to accepted chargers, `boots` bounds storms."""

    version: str = "v16"
    protocol: str = PROTOCOL
    decoders: frames.Decoders = MappingProxyType({"MeterValues": typed.decoder("v16", "MeterValues")})

    def __init__(self, intake: Intake, heartbeat_interval_s: int, boots: BootQueue, treatments: Treatments) -> None:
        self._intake = intake
        self._treatments = treatments
        self._heartbeat_interval_s = heartbeat_interval_s
        self._boots = boots
        self.handlers: Mapping[str, Handler] = {
            "Authorize": self.authorize,
            "BootNotification": self.boot,
            "DataTransfer": self.data_transfer,
            "Heartbeat": self.heartbeat,
            "MeterValues": self.meter_values,
            "StartTransaction": self.start_transaction,
            "StatusNotification": self.status,
            "StopTransaction": self.stop_transaction,
            **{action: partial(self.report, action, answer) for action, answer in REPORTS.items()},
        }

    def forbids(self, connection: Connection, action: str) -> bool:
        """Before acceptance only BootNotification is served (OCPP-J erratum 3.10), and what a pending charger was told
        to send (§4.2)."""
        if connection.registration == "accepted" or action == "BootNotification":
            return False
        return connection.registration != "pending" or action != connection.triggered

    def may_ask(self, connection: Connection, action: str, payload: dict[str, Any]) -> bool:
        """Whether this call may leave: at a pending charger nothing starts or stops, a rejected one is asked nothing
        (§4.2). What it triggers is served from now on."""
        if connection.registration == "pending" and action in _TRIGGERS:
            connection.triggered = str(payload.get("requestedMessage"))
        return connection.registration == "accepted" or (
            connection.registration == "pending" and action not in _ONLY_OF_ACCEPTED
        )

    def noticed(self, connection: Connection, quirk: Quirk, example: str) -> None:
        """A deviation on the wire: counted."""
        self._intake.quirks.note(connection.charger_id, quirk, example)

    def treated(self, connection: Connection, action: str, payload: Any) -> Any:
        """The payload as the normalising rules for this charger's firmware make it: a dict, if there are any."""
        treatment = self._treatments.of(connection.charger_id)
        return payload if treatment is None else treatment.apply(action, msgspec.to_builtins(payload))

    async def authorize(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.1"""
        facts = await self._intake.token(connection.charger_id, _token(payload, "idTag"))
        return {"idTagInfo": id_tag_info(facts, now)}

    async def boot(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.2. In a storm some are told to come back; what else they say meanwhile is served as ever."""
        if (retry_s := self._boots.put_off_s(connection.charger_id)) is not None:
            return {"status": "Pending", "currentTime": _now(), "interval": retry_s}
        async with self._boots.turn():
            registration = await self._intake.boot({
                "charger_id": connection.charger_id, "protocol": PROTOCOL, "at": now,
                "vendor": _text(payload, "chargePointVendor"), "model": _text(payload, "chargePointModel"),
                "serial_number": _text(payload, "chargePointSerialNumber") or _text(payload, "chargeBoxSerialNumber"),
                "firmware_version": _text(payload, "firmwareVersion"), "iccid": _text(payload, "iccid"),
                "imsi": _text(payload, "imsi"), "meter_type": _text(payload, "meterType"),
                "meter_serial_number": _text(payload, "meterSerialNumber"),
            })  # fmt: skip
        self._treatments.booted(
            connection.charger_id,
            _text(payload, "chargePointVendor"),
            _text(payload, "chargePointModel"),
            _text(payload, "firmwareVersion"),
        )
        connection.registration = registration or "rejected"
        accepted = connection.registration == "accepted"
        return {
            "status": _REGISTRATIONS[connection.registration],
            "currentTime": _now(),
            "interval": self._heartbeat_interval_s if accepted else _PENDING_INTERVAL_S,
        }

    def data_transfer(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.3: kept in the message log; no vendor's extension is known here."""
        return {"status": "UnknownVendorId"}

    def heartbeat(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.6"""
        return {"currentTime": _now()}

    def meter_values(self, connection: Connection, payload: Any, now: datetime) -> Once:
        """§4.7: always accepted, whatever the transaction id says."""
        if isinstance(payload, dict):
            where, transaction_id = _where(connection, payload), payload.get("transactionId")
            told = [Metered.of(value) for value in _need(payload, "meterValue")]
        else:
            where, transaction_id = _at(connection, payload.connectorId), payload.transactionId
            told = [Metered(value.timestamp, value.sampledValue, value) for value in payload.meterValue]
        return Once(self._intake.readings(where, transaction_id, told, now), {})

    async def report(
        self, action: str, answer: dict[str, str], connection: Connection, payload: dict[str, Any], now: datetime
    ) -> dict[str, Any]:
        """A message of `REPORTS`: kept and reacted to in one transaction."""
        await self._intake.report(connection.charger_id, action, payload, now)
        return dict(answer)

    async def start_transaction(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.8: stored in any case, since the charger has begun, and would tell a start that was refused for ever; the
        token's state when it began is in the answer, the same however often and late it is told."""
        started = await self._intake.start(
            _where(connection, payload),
            protocol=PROTOCOL,
            id_token=_token(payload, "idTag"),
            meter_start_wh=read_number(payload.get("meterStart")),
            reported_at=payload.get("timestamp"),
            received_at=now,
            reservation_id=payload.get("reservationId"),
        )
        info = id_tag_info(started.token, started.begun_at, starting=True)
        return {"idTagInfo": info, "transactionId": started.transaction_id}

    async def status(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.9"""
        await self._intake.status(
            _where(connection, payload),
            status=_text(payload, "status") or "",
            error_code=_text(payload, "errorCode") or "NoError",
            info=_text(payload, "info"),
            vendor_error_code=_text(payload, "vendorErrorCode"),
            reported_at=payload.get("timestamp"),
            received_at=now,
        )
        return {}

    async def stop_transaction(self, connection: Connection, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        """§4.10: accepted even for transactions unknown here. Readings first, so the last ones count."""
        transaction_id = _need(payload, "transactionId")
        tag = _text(payload, "idTag")
        if payload.get("transactionData"):
            await self._intake.closing_readings(
                connection.charger_id, transaction_id=transaction_id,
                told=[Metered.of(value) for value in payload["transactionData"]], received_at=now,
            )  # fmt: skip
        facts = await self._intake.stop(
            connection.charger_id,
            transaction_id=transaction_id,
            id_token=tag,
            meter_stop_wh=read_number(payload.get("meterStop")),
            reason=_text(payload, "reason") or "Local",  # §4.10: an absent reason is Local
            reported_at=payload.get("timestamp"),
            received_at=now,
        )
        return {"idTagInfo": id_tag_info(facts, now)} if facts else {}


def id_tag_info(facts: TokenFacts, at: datetime, *, starting: bool = False) -> dict[str, Any]:
    """IdTagInfo (§7.27) of a token, as of a time; members in the standard's order."""
    info: dict[str, Any] = {}
    if facts.valid_until is not None:
        info["expiryDate"] = _wire_time(facts.valid_until)
    # Its group may stop the session, and use its reservations (§3.5, §4.10). Strict chargers throw away an answer with
    # a longer name than the standard allows.
    if facts.parent_token is not None and len(facts.parent_token) <= _LONGEST_TAG:
        info["parentIdTag"] = facts.parent_token
    info["status"] = decide(facts, at, starting=starting)
    return info


def _now() -> str:
    return _wire_time(datetime.now(UTC))


def _wire_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _need(payload: dict[str, Any], member: str) -> Any:
    if member not in payload:
        raise Violation("OccurenceConstraintViolation", f"{member} is required.")
    return payload[member]


def _text(payload: dict[str, Any], member: str, limit: int = 255) -> str | None:
    value = payload.get(member)
    return None if value is None else str(value)[:limit]


def _token(payload: dict[str, Any], member: str) -> str:
    """An id token as sent; compared without regard to case (§7.28). Longer than 20 is kept: it cannot be known."""
    return str(_need(payload, member))[:255]


def _where(connection: Connection, payload: dict[str, Any]) -> Where:
    """1.6's connectorId n is EVSE n, connector 1; 0 is the charger as a whole (its main meter)."""
    return _at(connection, _need(payload, "connectorId"))


def _at(connection: Connection, number: int) -> Where:
    if not 0 <= number <= _CONNECTOR_LIMIT:
        raise Violation("PropertyConstraintViolation", "connectorId is out of range.")
    return Where(connection.charger_id, number, 1 if number else 0)
