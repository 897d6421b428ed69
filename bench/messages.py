"""The OCPP 1.6 messages of the load, written by hand: it uses nothing of what it measures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

Payload = dict[str, Any]
POWER_W = 10_800.0
CURRENT_A = 15.65


def identity(index: int) -> str:
    """The OCPP identity of charger number `index`."""
    return f"BENCH-{index:05d}"


def id_tag(index: int) -> str:
    """The tag presented at charger number `index`: one each, since a tag charges once at a time."""
    return f"BENCHTAG{index:08d}"


def timestamp() -> str:
    """Now in the form chargers use, `2026-01-31T08:00:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def call(unique_id: str, action: str, payload: Payload) -> bytes:
    """A CALL frame's text."""
    return json.dumps([2, unique_id, action, payload], separators=(",", ":")).encode()


def result(unique_id: str, payload: Payload) -> bytes:
    """A CALLRESULT frame's text."""
    return json.dumps([3, unique_id, payload], separators=(",", ":")).encode()


def not_implemented(unique_id: str) -> bytes:
    """The CALLERROR of a charger that does not know an action."""
    return json.dumps([4, unique_id, "NotImplemented", "", {}], separators=(",", ":")).encode()


def boot(index: int) -> Payload:
    """BootNotification of charger number `index`."""
    return {
        "chargePointVendor": "Bench",
        "chargePointModel": "AC22-2",
        "chargePointSerialNumber": f"BN{index:08d}",
        "firmwareVersion": "1.4.2",
        "meterType": "MID-3P",
    }


def start(index: int, meter_wh: int) -> Payload:
    """StartTransaction on connector 1 of charger number `index`."""
    return {"connectorId": 1, "idTag": id_tag(index), "meterStart": meter_wh, "timestamp": timestamp()}


def charging() -> Payload:
    """StatusNotification of connector 1 in a session."""
    return {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": timestamp()}


def meter_values(transaction_id: int, energy_wh: float, soc_percent: int) -> Payload:
    """MeterValues with one meterValue of six samples: register, power, the current of three phases, SoC."""
    periodic = {"context": "Sample.Periodic", "format": "Raw"}
    outlet = periodic | {"location": "Outlet"}
    phases = [
        {
            "value": f"{CURRENT_A:.2f}",
            **outlet,
            "measurand": "Current.Import",
            "phase": phase,
            "unit": "A",
        }
        for phase in ("L1", "L2", "L3")
    ]
    samples = [
        {"value": f"{energy_wh:.1f}", **outlet, "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": f"{POWER_W:.1f}", **outlet, "measurand": "Power.Active.Import", "unit": "W"},
        *phases,
        {
            "value": str(soc_percent),
            **periodic,
            "measurand": "SoC",
            "location": "EV",
            "unit": "Percent",
        },
    ]
    return {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [{"timestamp": timestamp(), "sampledValue": samples}],
    }
