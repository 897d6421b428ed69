"""What can be done to a charger, as a table: the button, the verb, and why it may be impossible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dashboards.simulator.garage import BayView, PlugView

Reason = Callable[[BayView, PlugView], str | None]
"""Key of the text that says why not; None when it can be done."""


def _unless(**rules: Callable[[BayView, PlugView], bool]) -> Reason:
    def reason(bay: BayView, plug: PlugView) -> str | None:
        return next((f"no.{name}" for name, holds in rules.items() if holds(bay, plug)), None)

    return reason


@dataclass(frozen=True, slots=True)
class Control:
    """`name` of the texts `do.<name>`; `verb` of the charger with fixed `named` arguments; `at_plug` the connector's
    number goes first; `needs` names an input of the screen that is handed on ("tag", "car", "fault").
    """

    name: str
    icon: str
    verb: str
    reason: Reason
    at_plug: bool = True
    needs: str | None = None
    named: dict[str, Any] = field(default_factory=dict)


PLUG_CONTROLS = (
    Control(
        "plug_in",
        ":material/power:",
        "plug_in",
        _unless(taken=lambda bay, plug: plug.car is not None),
        needs="car",
    ),
    Control("tap", ":material/contactless:", "tap", _unless(dark=lambda bay, plug: not bay.powered), needs="tag"),
    Control("unplug", ":material/power_off:", "unplug", _unless(car=lambda bay, plug: plug.car is None)),
    Control(
        "pause",
        ":material/pause:",
        "suspend",
        _unless(session=lambda bay, plug: plug.session_wh is None, paused=lambda bay, plug: plug.ev_suspended),
        named={"ev": True},
    ),
    Control(
        "resume",
        ":material/play_arrow:",
        "suspend",
        _unless(running=lambda bay, plug: not plug.ev_suspended),
        named={"ev": False},
    ),
    Control(
        "raise_fault",
        ":material/warning:",
        "raise_fault",
        _unless(faulted=lambda bay, plug: plug.fault is not None),
        needs="fault",
    ),
    Control("clear_fault", ":material/build:", "clear_fault", _unless(fault=lambda bay, plug: plug.fault is None)),
    Control("jam_lock", ":material/lock:", "jam_lock", _unless(jammed=lambda bay, plug: plug.lock_jammed)),
    Control(
        "free_lock",
        ":material/lock_open:",
        "jam_lock",
        _unless(free=lambda bay, plug: not plug.lock_jammed),
        named={"jammed": False},
    ),
)
"""Buttons of one connector."""

UNIT_CONTROLS = (
    Control(
        "network_out",
        ":material/link_off:",
        "drop_connection",
        _unless(cable=lambda bay, plug: not bay.cable_in),
        at_plug=False,
    ),
    Control(
        "network_in",
        ":material/link:",
        "reconnect",
        _unless(network=lambda bay, plug: bay.cable_in),
        at_plug=False,
    ),
    Control(
        "power_off",
        ":material/flash_off:",
        "power_off",
        _unless(dark=lambda bay, plug: not bay.powered),
        at_plug=False,
    ),
    Control(
        "power_on",
        ":material/flash_on:",
        "power_on",
        _unless(lit=lambda bay, plug: bay.powered),
        at_plug=False,
    ),
    Control(
        "reboot",
        ":material/restart_alt:",
        "reboot",
        _unless(dark=lambda bay, plug: not bay.powered),
        at_plug=False,
    ),
    Control(
        "tamper",
        ":material/shield:",
        "security_event",
        _unless(dark=lambda bay, plug: not bay.powered),
        at_plug=False,
        named={"kind": "TamperDetectionActivated"},
    ),
)
"""Buttons of the unit."""

PRESETS = (
    "normal",
    "refused-tag",
    "cable-fault",
    "offline-history",
    "slow-car",
    "malformed-frame",
    "suspended-by-car",
    "power-failure",
    "reboot-loop",
    "jammed-lock",
    "tampering",
)
"""Scenarios offered on the screen, by their names in `simulator.scenarios`."""

PACES = {"brisk": 0.05, "half": 0.3, "real": 1.0}
FAULTS = ("ConnectorLockFailure", "GroundFailure", "OverCurrentFailure", "PowerMeterFailure", "HighTemperature")

TEMPLATES = {
    "Heartbeat": '[2,"own-1","Heartbeat",{}]',
    "Authorize": '[2,"own-2","Authorize",{"idTag":"SIM-TAG-1"}]',
    "StatusNotification": '[2,"own-3","StatusNotification",{"connectorId":1,"errorCode":"NoError",'
    '"status":"Available"}]',
    "MeterValues": '[2,"own-4","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z",'
    '"sampledValue":[{"value":"1234"}]}]}]',
    "DataTransfer": '[2,"own-5","DataTransfer",{"vendorId":"id.uniev.simulator","messageId":"echo","data":"halo"}]',
    "SecurityEventNotification": '[2,"own-8","SecurityEventNotification",{"type":"TamperDetectionActivated",'
    '"timestamp":"2026-01-01T00:00:00Z"}]',
    "StopTransaction 0": '[2,"own-6","StopTransaction",{"transactionId":0,"meterStop":0,'
    '"timestamp":"2026-01-01T00:00:00Z"}]',
    "{…": '[2,"own-7","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]',
}
"""Frames to begin an own one from."""
