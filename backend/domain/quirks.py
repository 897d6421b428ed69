"""Deviations of chargers by name: what the platform mends, distrusts or refuses, so that it can be counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from backend.domain.timestamps import AHEAD, EARLIEST, read_timestamp

LATE: Final = timedelta(minutes=5)
"""A message older than this at receipt is offline history, or bears the time of a slow clock."""
_QUARTER: Final = timedelta(minutes=15)
_WIDEST_ZONE: Final = timedelta(hours=14)


class Quirk(StrEnum):
    """A deviation; the value stands in the database and on the wire of the API."""

    # The frame
    BROKEN_JSON = "broken_json"
    BAD_FRAME = "bad_frame"
    MESSAGE_ID_REUSED = "message_id_reused"
    PIPELINED_CALLS = "pipelined_calls"
    STRAY_ANSWER = "stray_answer"
    UNKNOWN_ACTION = "unknown_action"
    CALL_BEFORE_BOOT = "call_before_boot"
    # The payload
    ODD_ENUM = "odd_enum"
    ODD_ERROR_CODE = "odd_error_code"
    TOO_LONG = "too_long"
    SURPLUS_MEMBER = "surplus_member"
    MISSING_MEMBER = "missing_member"
    NULL_MEMBER = "null_member"
    WRONG_TYPE = "wrong_type"
    ODD_NUMBER = "odd_number"
    EMPTY_LIST = "empty_list"
    ODD_FORMAT = "odd_format"
    REFUSED_PAYLOAD = "refused_payload"
    # The clock
    CLOCK_UNREADABLE = "clock_unreadable"
    CLOCK_UNSET = "clock_unset"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_LOCAL_TIME = "clock_local_time"
    CLOCK_BEHIND = "clock_behind"
    # The session
    STOP_UNKNOWN = "stop_unknown"
    READINGS_UNKNOWN = "readings_unknown"
    BAD_TRANSACTION_ID = "bad_transaction_id"
    REPEATED_START = "repeated_start"
    STOP_MISSING = "stop_missing"
    STOP_BEFORE_START = "stop_before_start"
    SESSIONS_OVERLAP = "sessions_overlap"
    # The meter
    REGISTER_BACK = "register_back"
    START_REGISTER_ZERO = "start_register_zero"
    ENERGY_ABOVE_RATED = "energy_above_rated"
    READINGS_THOUSANDFOLD = "readings_thousandfold"
    READINGS_THOUSANDTH = "readings_thousandth"
    READING_GAP = "reading_gap"


_OF_KEYWORDS: Final = {
    "enum": Quirk.ODD_ENUM, "maxLength": Quirk.TOO_LONG, "additionalProperties": Quirk.SURPLUS_MEMBER,
    "required": Quirk.MISSING_MEMBER, "type": Quirk.WRONG_TYPE, "multipleOf": Quirk.ODD_NUMBER,
    "minItems": Quirk.EMPTY_LIST, "format": Quirk.ODD_FORMAT,
}  # fmt: skip


def payload_quirk(keyword: str, member: str | None, value: object) -> Quirk:
    """What a violation of a JSON schema's `keyword` at `member` is called."""
    if keyword in ("type", "enum") and value is None:
        return Quirk.NULL_MEMBER
    if keyword == "enum" and member == "errorCode":
        return Quirk.ODD_ERROR_CODE
    return _OF_KEYWORDS.get(keyword, Quirk.REFUSED_PAYLOAD)


def clock_quirk(text: object, received_at: datetime) -> Quirk | None:
    """Why a charger's time is not believed (`timestamps.believe`); None for one that is, or was not sent.

    A clock that is ahead by a zone's offset shows local time under the label UTC.
    """
    if text is None:
        return None
    moment = read_timestamp(text)
    if moment is None:
        return Quirk.CLOCK_UNREADABLE
    if moment < EARLIEST:
        return Quirk.CLOCK_UNSET
    ahead = moment - received_at
    if ahead <= AHEAD:
        return None
    beyond = ahead % _QUARTER
    near = min(beyond, _QUARTER - beyond) <= timedelta(minutes=2)
    return Quirk.CLOCK_LOCAL_TIME if near and ahead <= _WIDEST_ZONE else Quirk.CLOCK_AHEAD


def is_transaction_id(number: int) -> bool:
    """Whether a transaction id can be one of ours: they are positive and of 32 bits (OCPP 1.6 §4.8)."""
    return 0 < number < 2**31
