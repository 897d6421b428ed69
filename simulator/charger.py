"""The physics of a charger: no socket, no clock. Whoever drives it says what happens and at what time.

Every method takes `at`, an aware datetime; the charger first lives through the time since the last call.
Power is decided at fixed instants (every `STEP_S` of simulated time) and at events, and holds in between, so
the energy register is exactly the integral of power, in whole microjoules, however the time is cut up.
A register counts only forwards; what a charger *says* about it may be a lie (`simulator.quirks`), not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from simulator.vehicle import MICROJOULES_PER_WH, Vehicle

STEP_S = 2
_STEP_US = STEP_S * 1_000_000
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

AMBIENT_MILLI_C = 31_000
HOT_MILLI_C = 70_000
TOO_HOT_MILLI_C = 90_000
AC_VOLTAGE_V = 230
AC_MAX_CURRENT_A = 32

CurrentType = Literal["AC", "DC"]
Limiter = Callable[[int, datetime], int | None]
"""(connector, 0 for the unit; instant) → watts that may flow, None for no limit."""

Status = Literal[
    "Available",
    "Preparing",
    "Reserved",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Unavailable",
    "Faulted",
]


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _dc_voltage_v(soc_percent: int) -> int:
    return 340 + soc_percent * 80 // 100


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class ChargerSpec:
    """What the type plate says.

    `rated_power_w` is the power of the whole unit: connectors that deliver at the same time share it equally.
    `heat_rise_c` is how far full power warms the unit above the surroundings (°C); a `fixed_cable` has no lock that
    could be opened.
    """

    current_type: CurrentType = "AC"
    rated_power_w: int = 7_400
    connector_count: int = 1
    vendor: str = "UNIEV"
    model: str = "Simulator"
    heat_rise_c: int = 30
    fixed_cable: bool = False

    @property
    def phases(self) -> int:
        """AC phases of a plug: 3 above 7.4 kW (32 A on one phase), else 1."""
        return 3 if self.rated_power_w > AC_VOLTAGE_V * AC_MAX_CURRENT_A + 40 else 1


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a connector is out of order: an OCPP 1.6 ChargePointErrorCode, text, and the maker's own code."""

    code: str
    info: str | None = None
    vendor_code: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter of a connector shows at one instant. `soc_percent` is None where the plug cannot
    know.
    """

    measured_at: datetime
    energy_wh: int
    power_w: int
    current_a: float
    voltage_v: int
    phases: int
    soc_percent: int | None
    temperature_c: int


@dataclass(slots=True)
class Connector:
    """One plug. `register_uj` is its lifetime meter in microjoules; `limit_w` what a charging profile lets through."""

    connector_id: int
    register_uj: int = 0
    vehicle: Vehicle | None = None
    delivering: bool = False
    expecting: bool = False
    finishing: bool = False
    operative: bool = True
    reserved: bool = False
    lock_jammed: bool = False
    ev_suspended: bool = False
    evse_suspended: bool = False
    fault: Fault | None = None
    power_w: int = 0
    limit_w: int | None = None

    @property
    def energy_wh(self) -> int:
        """The lifetime register in whole Wh, as a meter shows it."""
        return self.register_uj // MICROJOULES_PER_WH

    @property
    def status(self) -> Status:
        """The OCPP 1.6 status that follows from the facts (1.6 §4.9)."""
        if self.fault:
            return "Faulted"
        if self.delivering:
            return self._status_in_session()
        if not self.operative:
            return "Unavailable"
        if self.finishing:
            return "Finishing"
        if self.reserved and not self.expecting:
            return "Reserved"
        return "Preparing" if self.vehicle or self.expecting else "Available"

    def _status_in_session(self) -> Status:
        if self.evse_suspended or self.limit_w == 0:
            return "SuspendedEVSE"
        full = self.vehicle is not None and self.vehicle.wanted_uj < _STEP_US
        return "SuspendedEV" if self.ev_suspended or full or self.vehicle is None else "Charging"


@dataclass(slots=True)
class Charger:
    """The unit: its connectors, its temperature, its time. `registers_wh` sets the lifetime meters at
    birth.
    """

    spec: ChargerSpec
    born_at: datetime
    registers_wh: tuple[int, ...] = ()
    powered: bool = True
    fault: Fault | None = None
    temperature_milli_c: int = AMBIENT_MILLI_C
    limiter: Limiter | None = None
    connectors: dict[int, Connector] = field(init=False)
    _at_us: int = field(init=False)

    def __post_init__(self) -> None:
        self._at_us = _microseconds(self.born_at)
        registers = dict(enumerate(self.registers_wh, start=1))
        self.connectors = {
            number: Connector(number, registers.get(number, 0) * MICROJOULES_PER_WH)
            for number in range(1, self.spec.connector_count + 1)
        }

    # --- time -------------------------------------------------------------------------------------------

    def advance(self, at: datetime) -> None:
        """Live until `at`; a time already lived through changes nothing."""
        target_us = _microseconds(at)
        while self._at_us < target_us:
            if self._idle():
                self._at_us = target_us
                return
            step_end_us = (self._at_us // _STEP_US + 1) * _STEP_US
            until_us = min(step_end_us, target_us)
            self._deliver(until_us - self._at_us)
            self._at_us = until_us
            if until_us == step_end_us:
                self._warm()
                self._decide()

    def _idle(self) -> bool:
        cold = self.temperature_milli_c == AMBIENT_MILLI_C
        return cold and not any(connector.delivering for connector in self.connectors.values())

    def _deliver(self, span_us: int) -> None:
        for connector in self.connectors.values():
            if connector.power_w and connector.vehicle:
                energy_uj = connector.power_w * span_us
                connector.register_uj += energy_uj
                connector.vehicle.stored_uj += energy_uj

    def _warm(self) -> None:
        load = min(1000, self.power_w * 1000 // max(1, self.spec.rated_power_w))
        gap = AMBIENT_MILLI_C + self.spec.heat_rise_c * load - self.temperature_milli_c
        change = gap * STEP_S // 600
        self.temperature_milli_c += change or (gap > 0) - (gap < 0)
        if self.temperature_milli_c >= TOO_HOT_MILLI_C:
            for connector in self.connectors.values():
                connector.fault = connector.fault or Fault("HighTemperature", "cabinet too hot")

    def _decide(self) -> None:
        plugs = self.connectors.values()
        unit_w = self._limit_w(0)
        for plug in plugs:
            plug.limit_w = _least(self._limit_w(plug.connector_id), unit_w) if plug.delivering else None
        takers = [plug.connector_id for plug in plugs if self._delivers(plug)]
        shared_w = self.spec.rated_power_w if unit_w is None else min(self.spec.rated_power_w, unit_w)
        share_w = shared_w // max(1, len(takers))
        for plug in plugs:
            plug.power_w = self._power_for(plug, share_w) if plug.connector_id in takers else 0

    def _limit_w(self, connector_id: int) -> int | None:
        return self.limiter(connector_id, _EPOCH + self._at_us * _MICROSECOND) if self.limiter else None

    def _delivers(self, connector: Connector) -> bool:
        if not (self.powered and connector.delivering and connector.vehicle) or connector.fault:
            return False
        return not (connector.ev_suspended or connector.evse_suspended)

    def _power_for(self, connector: Connector, share_w: int) -> int:
        vehicle = connector.vehicle
        if vehicle is None:
            return 0
        direct = self.spec.current_type == "DC"
        offered = share_w
        if not direct:
            offered = offered * min(vehicle.phases, self.spec.phases) // self.spec.phases
        offered = offered * self._derating_permille() // 1000
        accepted = vehicle.accepts_w(direct_current=direct, phases=self.spec.phases)
        allowed = offered if connector.limit_w is None else min(offered, connector.limit_w)
        return min(allowed, accepted, vehicle.wanted_uj // _STEP_US)

    def watts_per_ampere(self, connector_id: int, phases: int) -> int:
        """What one ampere carries here, as a limit in amperes counts it: volts × the phases in use."""
        plug = self.connectors.get(connector_id)
        vehicle = plug.vehicle if plug else None
        if self.spec.current_type == "DC":
            return _dc_voltage_v(vehicle.soc_percent if vehicle else 0)
        return AC_VOLTAGE_V * min(phases, self.spec.phases, vehicle.phases if vehicle else 3)

    def reconsider(self, at: datetime) -> None:
        """Power is decided anew at `at`: limits have changed."""
        self.advance(at)
        self._decide()

    def _derating_permille(self) -> int:
        excess = self.temperature_milli_c - HOT_MILLI_C
        return 1000 if excess <= 0 else max(300, 1000 - excess * 700 // (TOO_HOT_MILLI_C - HOT_MILLI_C))

    # --- what can be seen -------------------------------------------------------------------------------

    @property
    def power_w(self) -> int:
        """Power of the whole unit at this instant, W."""
        return sum(connector.power_w for connector in self.connectors.values())

    @property
    def energy_wh(self) -> int:
        """The main meter: all registers together, whole Wh."""
        total_uj = sum(connector.register_uj for connector in self.connectors.values())
        return total_uj // MICROJOULES_PER_WH

    @property
    def status(self) -> Status:
        """Status of the unit itself (OCPP connector 0)."""
        if self.fault:
            return "Faulted"
        plugs = self.connectors.values()
        return "Available" if any(plug.operative for plug in plugs) else "Unavailable"

    def read(self, connector_id: int, at: datetime) -> Reading:
        """The meter of a connector at `at`; KeyError for a connector the unit does not have."""
        self.advance(at)
        connector = self.connectors[connector_id]
        direct = self.spec.current_type == "DC"
        vehicle = connector.vehicle
        phases = 1 if direct else min(self.spec.phases, vehicle.phases if vehicle else 3)
        soc_percent = vehicle.soc_percent if direct and vehicle else None
        voltage_v = _dc_voltage_v(soc_percent or 0) if direct else AC_VOLTAGE_V
        return Reading(
            measured_at=at,
            energy_wh=connector.energy_wh,
            power_w=connector.power_w,
            current_a=round(connector.power_w / (voltage_v * phases), 1),
            voltage_v=voltage_v,
            phases=phases,
            soc_percent=soc_percent,
            temperature_c=self.temperature_milli_c // 1000,
        )

    # --- what can happen --------------------------------------------------------------------------------

    def plug_in(self, connector_id: int, vehicle: Vehicle, at: datetime) -> None:
        """The cable goes into a car. ValueError if another car is there."""
        connector = self._reach(connector_id, at)
        if connector.vehicle:
            raise ValueError(f"connector {connector_id} has a car already")
        connector.vehicle = vehicle
        connector.finishing = False
        self._decide()

    def unplug(self, connector_id: int, at: datetime) -> None:
        """The cable comes out; power stops at once."""
        connector = self._reach(connector_id, at)
        connector.vehicle = None
        connector.finishing = connector.ev_suspended = False
        self._decide()

    def begin(self, connector_id: int, at: datetime) -> None:
        """A session was authorised: power may flow."""
        connector = self._reach(connector_id, at)
        connector.delivering, connector.expecting, connector.finishing = True, False, False
        self._decide()

    def end(self, connector_id: int, at: datetime) -> None:
        """The session is over; a car that is still plugged in keeps the connector Finishing."""
        connector = self._reach(connector_id, at)
        connector.delivering = connector.evse_suspended = False
        connector.finishing = connector.vehicle is not None
        self._decide()

    def expect(self, connector_id: int, at: datetime, waiting: bool) -> None:
        """Somebody was authorised and is yet to plug in (`waiting`), or has given up."""
        self._reach(connector_id, at).expecting = waiting

    def suspend(self, connector_id: int, at: datetime, *, ev: bool | None = None, evse: bool | None = None) -> None:
        """The car (`ev`) or the charger (`evse`) holds back power, or lets it flow again (False)."""
        connector = self._reach(connector_id, at)
        connector.ev_suspended = connector.ev_suspended if ev is None else ev
        connector.evse_suspended = connector.evse_suspended if evse is None else evse
        self._decide()

    def set_fault(self, connector_id: int, at: datetime, fault: Fault | None) -> None:
        """A fault appears, or is gone (None); connector 0 is the unit itself, whose plugs go on working."""
        if connector_id == 0:
            self.fault = fault
            return
        self._reach(connector_id, at).fault = fault
        self._decide()

    def set_operative(self, connector_id: int, at: datetime, operative: bool) -> None:
        """In service, or out of it; a session under way is not cut."""
        self._reach(connector_id, at).operative = operative

    def set_power(self, at: datetime, powered: bool) -> None:
        """The mains fail or return."""
        self.advance(at)
        self.powered = powered
        self._decide()

    def _reach(self, connector_id: int, at: datetime) -> Connector:
        self.advance(at)
        return self.connectors[connector_id]
