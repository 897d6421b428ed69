"""What happens at a plug: a table. `simulator.visits` plays a row, `simulator.fleet` plays many.

A `Scenario` is a list of steps and the end it must come to; a `Mix` draws scenarios by weight, with
arrivals that follow a curve over the day. To add one, add a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verb = Literal[
    "plug_in",
    "tap",
    "tap_off",
    "unplug",
    "charge",
    "wait",
    "fault",
    "clear",
    "car_pauses",
    "car_resumes",
    "network_out",
    "network_in",
    "power_off",
    "power_on",
    "reboot",
    "jam_lock",
    "free_lock",
    "security_event",
    "say",
    "send",
]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, then simulated time that passes (drawn evenly between the two `seconds`).

    `charge` lets time pass as long as a session is open; `tap_off` ends the session if it still runs.
    `detail` is the OCPP error code of a fault, the kind of a reboot, a text to send, the type of a security event, the
    message of a DataTransfer (`say`), or "slow" for a slow car.
    """

    verb: Verb
    seconds: tuple[int, int] = (0, 0)
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """What must be true when the scenario is over: sessions booked, why they stopped, status, boots since."""

    sessions: int
    cause: str | None = None
    status: str = "Available"
    boots: int = 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """A visit at a plug. `good_tag` False: a tag nobody knows. `quirk` names a row of
    `simulator.quirks.QUIRKS`.
    """

    title: str
    steps: tuple[Step, ...]
    ending: Ending
    good_tag: bool = True
    quirk: str = "none"


@dataclass(frozen=True, slots=True)
class Mix:
    """Many visits. `weights` of scenarios; `arrivals_per_hour` and connector for each local hour (24
    numbers).

    `opening` share of connectors at which a car arrives in the first seconds; `pace` stretches every
    duration; `sample_interval_s` sets MeterValueSampleInterval; `quirks` weights of quirks per charger, the
    rest has none; `helpful` a car comes when somebody starts a session remotely at an empty plug.
    """

    title: str
    weights: dict[str, int]
    arrivals_per_hour: tuple[float, ...]
    opening: float = 0.0
    pace: float = 1.0
    sample_interval_s: int = 60
    quirks: dict[str, float] = field(default_factory=dict)
    helpful: bool = False


_BROKEN_FRAMES = (
    '{"not":"a list"}',
    '[2,"broken-1","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]',
    '[2,"broken-2","Dance",{}]',
    '[2,"broken-3","StartTransaction",{"connectorId":"one"}]',
    '[9,"broken-4",{}]',
    '[2,"broken-5","Heartbeat",null]',
    "\u26a1 not JSON at all",
)

_ARRIVE = (Step("plug_in", (5, 25)), Step("tap"))
_LEAVE = (Step("tap_off", (10, 90)), Step("unplug"))

SCENARIOS: dict[str, Scenario] = {
    "normal": Scenario(
        "A car comes, charges, and leaves",
        (*_ARRIVE, Step("charge", (900, 3_000)), *_LEAVE),
        Ending(sessions=1, cause="Local"),
    ),
    "short": Scenario(
        "A quick top-up that ends when the driver pulls the plug",
        (*_ARRIVE, Step("charge", (240, 900)), Step("unplug")),
        Ending(sessions=1, cause="EVDisconnected"),
    ),
    "refused-tag": Scenario(
        "The platform refuses the tag",
        (*_ARRIVE, Step("wait", (20, 60)), Step("tap", (10, 30)), Step("unplug")),
        Ending(sessions=0),
        good_tag=False,
    ),
    "cable-fault": Scenario(
        "The lock of the plug fails before charging begins, and is repaired",
        (
            Step("plug_in", (5, 15)),
            Step("fault", (60, 300), "ConnectorLockFailure"),
            Step("tap", (5, 20)),
            Step("unplug", (120, 600)),
            Step("clear"),
        ),
        Ending(sessions=0),
    ),
    "fault-while-charging": Scenario(
        "An earth fault ends a session; it clears later",
        (
            *_ARRIVE,
            Step("charge", (300, 1_200)),
            Step("fault", (60, 240), "GroundFailure"),
            Step("unplug", (120, 600)),
            Step("clear"),
        ),
        Ending(sessions=1, cause="Other"),
    ),
    "suspended-by-car": Scenario(
        "The car pauses charging and takes it up again",
        (
            *_ARRIVE,
            Step("charge", (300, 900)),
            Step("car_pauses"),
            Step("charge", (300, 900)),
            Step("car_resumes"),
            Step("charge", (300, 900)),
            *_LEAVE,
        ),
        Ending(sessions=1, cause="Local"),
    ),
    "power-failure": Scenario(
        "The mains fail in the middle of a session",
        (
            *_ARRIVE,
            Step("charge", (300, 900)),
            Step("power_off", (60, 300)),
            Step("power_on", (20, 60)),
            Step("unplug"),
        ),
        Ending(sessions=1, cause="PowerLoss", boots=2),
    ),
    "offline-history": Scenario(
        "The network goes in mid-session; the session ends offline and is told later",
        (
            *_ARRIVE,
            Step("charge", (300, 900)),
            Step("network_out"),
            Step("charge", (300, 900)),
            *_LEAVE,
            Step("wait", (60, 300)),
            Step("network_in"),
        ),
        Ending(sessions=1, cause="Local"),
    ),
    "offline-start": Scenario(
        "A whole session without network, told later",
        (
            Step("network_out", (10, 20)),
            *_ARRIVE,
            Step("charge", (300, 900)),
            *_LEAVE,
            Step("network_in"),
        ),
        Ending(sessions=1, cause="Local"),
    ),
    "slow-clock": Scenario(
        "A charger whose clock is 25 minutes behind",
        (*_ARRIVE, Step("charge", (900, 1_800)), *_LEAVE),
        Ending(sessions=1, cause="Local"),
        quirk="slow-clock",
    ),
    "reboot-loop": Scenario(
        "The charger restarts again and again, then works",
        (
            *(Step("reboot", (15, 40), "Hard") for _ in range(4)),
            *_ARRIVE,
            Step("charge", (300, 900)),
            *_LEAVE,
        ),
        Ending(sessions=1, cause="Local", boots=5),
    ),
    "slow-car": Scenario(
        "A car that takes no more than a household socket gives",
        (Step("plug_in", (5, 15), "slow"), Step("tap"), Step("charge", (1_800, 3_600)), *_LEAVE),
        Ending(sessions=1, cause="Local"),
    ),
    "jammed-lock": Scenario(
        "The lock of the plug sticks after charging; it comes free later",
        (
            *_ARRIVE,
            Step("charge", (300, 900)),
            Step("jam_lock"),
            Step("tap_off", (30, 120)),
            Step("free_lock"),
            Step("unplug"),
        ),
        Ending(sessions=1, cause="Local"),
    ),
    "tampering": Scenario(
        "Somebody opens the cabinet while a car charges; the charger tells it as a security event",
        (
            *_ARRIVE,
            Step("charge", (120, 300)),
            Step("security_event", (1, 5), "TamperDetectionActivated"),
            Step("charge", (300, 600)),
            *_LEAVE,
        ),
        Ending(sessions=1, cause="Local"),
    ),
    "vendor-message": Scenario(
        "The maker's own messages between those of the standard",
        (Step("say", (1, 3), "hello"), *_ARRIVE, Step("say", (1, 3), "echo"), Step("charge", (300, 600)), *_LEAVE),
        Ending(sessions=1, cause="Local"),
    ),
    "malformed-frame": Scenario(
        "Frames that break the rules, between the messages of an honest session",
        (
            *_ARRIVE,
            *(Step("send", (2, 5), text) for text in _BROKEN_FRAMES),
            Step("charge", (300, 600)),
            *_LEAVE,
        ),
        Ending(sessions=1, cause="Local"),
    ),
}
"""Visits by name."""

HELP = Scenario(
    "Somebody started a session remotely at an empty plug: a car comes",
    (Step("wait", (2, 6)), Step("plug_in"), Step("charge", (300, 900)), *_LEAVE),
    Ending(sessions=1, cause="Local"),
)

_CITY = (
    *(0.05, 0.03, 0.02, 0.02, 0.05, 0.12),
    *(0.35, 0.55, 0.60, 0.55, 0.60, 0.80),
    *(0.90, 0.75, 0.65, 0.65, 0.75, 1.00),
    *(1.10, 1.00, 0.80, 0.50, 0.25, 0.12),
)

MIXES: dict[str, Mix] = {
    "city-day": Mix(
        "A day in the city",
        {
            "normal": 62,
            "short": 18,
            "suspended-by-car": 6,
            "refused-tag": 4,
            "offline-history": 3,
            "fault-while-charging": 2,
            "cable-fault": 2,
            "offline-start": 1,
            "power-failure": 1,
            "reboot-loop": 1,
        },
        _CITY,
        opening=0.15,
        quirks={"slow-clock": 0.02},
    ),
    "demo": Mix(
        "A lively nation that never ends",
        {
            "normal": 60,
            "short": 22,
            "suspended-by-car": 6,
            "refused-tag": 4,
            "offline-history": 2,
            "fault-while-charging": 3,
            "cable-fault": 2,
            "power-failure": 1,
            "jammed-lock": 1,
            "tampering": 1,
        },
        (3.0,) * 24,
        opening=0.4,
        pace=0.3,
        sample_interval_s=10,
        helpful=True,
    ),
}
"""Mixtures of visits by name."""


def find(name: str) -> Scenario | Mix:
    """The scenario or mixture with this name; KeyError if there is none."""
    return SCENARIOS[name] if name in SCENARIOS else MIXES[name]
