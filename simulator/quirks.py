"""How a charger may misbehave: a table of data. A charger without quirks tells the truth.

Every entry is something real chargers were seen to do; a platform must take it without losing a session,
inventing energy or stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

Lie = Callable[[int, int], int]
"""(true register in Wh, true register at session start in Wh) → what the charger says, in Wh."""


def honest(true_wh: int, start_wh: int) -> int:
    """The register as it is."""
    return true_wh


def _back_after_one_kwh(true_wh: int, start_wh: int) -> int:
    return true_wh - 800 if true_wh - start_wh >= 1_000 else true_wh


def _reset_after_one_kwh(true_wh: int, start_wh: int) -> int:
    return true_wh - start_wh - 1_000 if true_wh - start_wh >= 1_000 else true_wh


def _session_relative(true_wh: int, start_wh: int) -> int:
    return true_wh - start_wh if true_wh > start_wh else true_wh


def _tenfold(true_wh: int, start_wh: int) -> int:
    return start_wh + (true_wh - start_wh) * 10


def _kwh_called_wh(true_wh: int, start_wh: int) -> int:
    return true_wh // 1000


def _frozen(true_wh: int, start_wh: int) -> int:
    return start_wh


LIES: dict[str, Lie] = {
    "honest": honest,
    "goes-back": _back_after_one_kwh,
    "resets": _reset_after_one_kwh,
    "session-relative": _session_relative,
    "tenfold": _tenfold,
    "kwh-called-wh": _kwh_called_wh,
    "frozen": _frozen,
}
"""Lies of the meter by name."""

TIMESTAMP_FORMS: dict[str, Callable[[datetime], str]] = {
    "zulu": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
    "offset": lambda moment: (moment + timedelta(hours=7)).strftime("%Y-%m-%dT%H:%M:%S+07:00"),
    "no-zone": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S"),
    "microseconds": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
}
"""Ways to write a time, given UTC."""

ENERGY_TEXTS: dict[str, Callable[[int], tuple[str, str]]] = {
    "Wh": lambda energy_wh: (str(energy_wh), "Wh"),
    "kWh": lambda energy_wh: (f"{energy_wh // 1000}.{energy_wh % 1000:03d}", "kWh"),
    "decimal": lambda energy_wh: (f"{energy_wh}.0", "Wh"),
    "exponent": lambda energy_wh: (f"{energy_wh}.0E0", "Wh"),
}
"""Ways to write an energy: value text and unit."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """Departures from the standard, all off by default.

    `lie` distorts the energy register; `clock_offset` is added to every timestamp sent; `timestamp_form`
    and `energy_text` name a row of the tables above; `energy_phases` splits the register over phases;
    `bare_samples` leaves out measurand, unit and context; `celcius` uses the misspelt unit;
    `reading_transaction_id` and `stop_transaction_id` replace the id of the session (None: left out of
    readings, "own": the right one); `duplicate_stop` sends every StopTransaction twice; `boots` False: the
    charger never sends BootNotification; `reuses_message_ids` counts ids from 1 in each connection;
    `main_meter` also sends readings of connector 0; `stop_data` adds begin and end values to
    StopTransaction; `lower_case_tags` writes id tags in lower case.
    Towards commands: `answers` gives the answer to an action (its members in snake case) that is given instead of
    doing anything; `unanswered` actions get no answer at all; `ignores_limits` accepts charging profiles and
    forgets them; `firmware_ends` is the status at which a firmware update fails; `uploads_fail`: diagnostics and
    logs never arrive.
    """

    lie: Lie = honest
    clock_offset: timedelta = timedelta()
    timestamp_form: str = "zulu"
    energy_text: str = "Wh"
    energy_phases: Literal["total", "split", "both", "first"] = "total"
    bare_samples: bool = False
    celcius: bool = False
    reading_transaction_id: int | Literal["own"] | None = "own"
    stop_transaction_id: int | None = None
    duplicate_stop: bool = False
    boots: bool = True
    reuses_message_ids: bool = False
    main_meter: bool = False
    stop_data: bool = False
    lower_case_tags: bool = False
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()
    ignores_limits: bool = False
    firmware_ends: Literal["", "DownloadFailed", "InstallationFailed"] = ""
    uploads_fail: bool = False

    def timestamp(self, moment: datetime) -> str:
        """`moment` as this charger believes and writes it."""
        return TIMESTAMP_FORMS[self.timestamp_form](moment + self.clock_offset)


QUIRKS: dict[str, Quirks] = {
    "none": Quirks(),
    **{name: Quirks(lie=lie) for name, lie in LIES.items() if name != "honest"},
    "slow-clock": Quirks(clock_offset=timedelta(minutes=-25)),
    "fast-clock": Quirks(clock_offset=timedelta(hours=8)),
    "born-1970": Quirks(clock_offset=timedelta(days=-20_700)),
    "offset-clock": Quirks(timestamp_form="offset"),
    "no-zone": Quirks(timestamp_form="no-zone"),
    "kwh": Quirks(energy_text="kWh"),
    "decimal": Quirks(energy_text="decimal"),
    "exponent": Quirks(energy_text="exponent"),
    "phases-only": Quirks(energy_phases="split"),
    "phases-and-total": Quirks(energy_phases="both"),
    "first-phase-only": Quirks(energy_phases="first"),
    "bare-samples": Quirks(bare_samples=True),
    "celcius": Quirks(celcius=True),
    "readings-without-transaction": Quirks(reading_transaction_id=None),
    "readings-transaction-zero": Quirks(reading_transaction_id=0),
    "readings-transaction-huge": Quirks(reading_transaction_id=2**63 - 1),
    "stop-transaction-zero": Quirks(stop_transaction_id=0),
    "stop-transaction-minus-one": Quirks(stop_transaction_id=-1),
    "duplicate-stop": Quirks(duplicate_stop=True),
    "no-boot": Quirks(boots=False),
    "message-id-reuse": Quirks(reuses_message_ids=True),
    "main-meter": Quirks(main_meter=True),
    "stop-data": Quirks(stop_data=True),
    "lower-case-tags": Quirks(lower_case_tags=True),
    "list-fails": Quirks(answers={"SendLocalList": {"status": "Failed"}}),
    "list-mismatch": Quirks(answers={"SendLocalList": {"status": "VersionMismatch"}}),
    "no-list": Quirks(
        answers={"SendLocalList": {"status": "NotSupported"}, "GetLocalListVersion": {"list_version": -1}}
    ),
    "reservations-rejected": Quirks(answers={"ReserveNow": {"status": "Rejected"}}),
    "profiles-unsupported": Quirks(answers={"SetChargingProfile": {"status": "NotSupported"}}),
    "limits-ignored": Quirks(ignores_limits=True),
    "remote-start-rejected": Quirks(answers={"RemoteStartTransaction": {"status": "Rejected"}}),
    "resets-rejected": Quirks(answers={"Reset": {"status": "Rejected"}}),
    "commands-unanswered": Quirks(
        unanswered=frozenset({"RemoteStartTransaction", "RemoteStopTransaction", "GetConfiguration"})
    ),
    "firmware-download-fails": Quirks(firmware_ends="DownloadFailed"),
    "firmware-install-fails": Quirks(firmware_ends="InstallationFailed"),
    "uploads-fail": Quirks(uploads_fail=True),
}
"""Misbehaviours by name, for `--quirk`, the screen and tests."""
