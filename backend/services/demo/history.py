"""Two weeks of finished sessions for the demo nation: who charged when, how fast, how much. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from backend.services.demo.nation import DemoCharger, DemoStation, Nation, demo_id

DAYS: Final = 14
_STEP_S: Final = 300
_GAP: Final = timedelta(minutes=6)
_GRID_VOLTAGE_V: Final = 230


@dataclass(frozen=True, slots=True)
class Car:
    """A kind of car: what it holds, and what it takes."""

    battery_wh: int
    ac_w: int
    dc_w: int


_CARS: Final = (
    Car(26_700, 6_600, 30_000),
    Car(31_900, 6_600, 35_000),
    Car(44_900, 7_000, 60_000),
    Car(60_500, 7_000, 88_000),
    Car(72_600, 11_000, 175_000),
    Car(82_500, 11_000, 150_000),
)
# Share of arrivals by hour of the day, 00 to 23, where people pass, stay by day, or stay by night.
_PASSING: Final = (1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 9, 8, 8, 8, 9, 9, 8, 7, 6, 4, 3, 2)
_DAYTIME: Final = (0, 0, 0, 0, 0, 0, 1, 5, 9, 9, 8, 7, 7, 8, 7, 6, 5, 5, 4, 3, 2, 1, 0, 0)
_LEISURE: Final = (0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 7, 9, 9, 8, 8, 8, 9, 10, 10, 8, 5, 2, 0, 0)
_ARRIVALS: Final = {"office": _DAYTIME, "government": _DAYTIME, "mall": _LEISURE, "tourism": _LEISURE}
_PER_DAY: Final = {"AC": 0.8, "DC": 1.7}


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge as it went; points are (second, energy in Wh, power in W, SoC in percent)."""

    started_at: datetime
    duration_s: int
    points: tuple[tuple[int, float, float, float], ...]

    @property
    def energy_wh(self) -> int:
        """Energy delivered, in whole Wh as a meter counts."""
        return round(self.points[-1][1])


@dataclass(frozen=True, slots=True)
class History:
    """Rows for the tables `sessions` and `meter_values`."""

    sessions: list[dict[str, Any]]
    readings: list[dict[str, Any]]


def build_history(nation: Nation, now: datetime, seed: int, *, reading_days: int = 2) -> History:
    """Sessions of the last `DAYS` days that ended before `now`; readings for the last `reading_days`."""
    draw = random.Random(seed + 1)
    tokens = _usable_tokens(nation, now)
    history = History([], [])
    for station in nation.stations[:-1]:  # nobody has charged in the lab
        for charger in station.chargers:
            for evse_id in range(1, charger.connector_count + 1):
                _fill(history, _Plug(station, charger, evse_id, tokens[station.cpo_id]), now, draw, reading_days)
    return history


@dataclass(frozen=True, slots=True)
class _Plug:
    station: DemoStation
    charger: DemoCharger
    evse_id: int
    tokens: tuple[str, ...]


def _usable_tokens(nation: Nation, now: datetime) -> dict[str, tuple[str, ...]]:
    usable: dict[str, list[str]] = {}
    for token in nation.tokens:
        if token.cpo_id and token.status == "active" and (token.expires_at is None or token.expires_at > now):
            usable.setdefault(token.cpo_id, []).append(token.token)
    return {cpo_id: tuple(texts) for cpo_id, texts in usable.items()}


def _fill(history: History, plug: _Plug, now: datetime, draw: random.Random, reading_days: int) -> None:
    register_wh = draw.randint(40_000, 9_000_000)
    for charge in _charges(plug, now, draw):
        session = _session(plug, charge, register_wh, draw)
        history.sessions.append(session)
        if charge.started_at > now - timedelta(days=reading_days):
            history.readings.extend(_readings(plug, charge, session["id"], register_wh))
        register_wh += charge.energy_wh


def _charges(plug: _Plug, now: datetime, draw: random.Random) -> Iterator[Charge]:
    """Charges at one plug, one after another, all over by now."""
    zone = ZoneInfo(plug.station.timezone)
    free_from = datetime.min.replace(tzinfo=now.tzinfo)
    for day_before in range(DAYS - 1, -1, -1):
        day = (now.astimezone(zone) - timedelta(days=day_before)).date()
        weekend = 1.25 if day.weekday() >= 5 else 1.0
        midnight = datetime.combine(day, time(), zone)
        for started_at in sorted(midnight + offset for offset in _offsets(plug, weekend, draw)):
            charge = _charge(plug.charger, started_at.astimezone(now.tzinfo), draw)
            ended_at = charge.started_at + timedelta(seconds=charge.duration_s)
            if charge.started_at >= free_from and ended_at < now - _GAP:
                yield charge
                free_from = ended_at + _GAP


def _offsets(plug: _Plug, busyness: float, draw: random.Random) -> list[timedelta]:
    hours = _ARRIVALS.get(plug.station.site_type, _PASSING)
    expected = _PER_DAY[plug.charger.current_type] * busyness
    count = sum(draw.random() < expected / 4 for _ in range(4))
    chosen = draw.choices(range(24), weights=hours, k=count)
    return [timedelta(hours=hour, seconds=draw.randrange(3600)) for hour in chosen]


def _charge(charger: DemoCharger, started_at: datetime, draw: random.Random) -> Charge:
    car = draw.choice(_CARS)
    soc = draw.uniform(12, 55)
    wanted = draw.uniform(max(soc + 15, 70), 96)
    direct = charger.current_type == "DC"
    limit_w = min(charger.rated_power_w * 0.97, car.dc_w if direct else car.ac_w)
    end_s = draw.randint(1_800, 4_200) if direct else draw.randint(3_600, 14_400)
    points = [(0, 0.0, 0.0, soc)]
    second, energy_wh = 0, 0.0
    while soc < wanted and second < end_s:
        power_w = limit_w * (_taper(soc) if direct else 1.0)
        step_s = min(_STEP_S, end_s - second, (wanted - soc) / 100 * car.battery_wh * 3600 / power_w)
        second += max(1, round(step_s))
        energy_wh += power_w * step_s / 3600
        soc += power_w * step_s / 36 / car.battery_wh
        points.append((second, energy_wh, power_w, min(soc, wanted)))
    return Charge(started_at.replace(microsecond=0), second, tuple(points))


def _taper(soc: float) -> float:
    """Share of full power that a battery takes on direct current."""
    return 1.0 if soc < 55 else max(0.2, 1.0 - (soc - 55) * 0.02)


def _session(plug: _Plug, charge: Charge, register_wh: int, draw: random.Random) -> dict[str, Any]:
    stopped_at = charge.started_at + timedelta(seconds=charge.duration_s)
    key = f"demo|{plug.charger.id}|{plug.evse_id}|{charge.started_at.isoformat()}"
    token = draw.choice(plug.tokens)
    dipped = draw.random() < 0.003  # a meter that was replaced or reset: held for review, not billed
    stop_wh = max(0, register_wh - draw.randint(1, 500)) if dipped else register_wh + charge.energy_wh
    return {
        "id": demo_id("session", key),
        "cpo_id": plug.station.cpo_id,
        "station_id": plug.station.id,
        "charger_id": plug.charger.id,
        "evse_id": plug.evse_id,
        "connector_id": 1,
        "protocol": "ocpp1.6",
        "id_token": token,
        "start_key": key,
        "started_at": charge.started_at.isoformat(),
        "start_received_at": (charge.started_at + timedelta(seconds=1)).isoformat(),
        "meter_start_wh": register_wh,
        "stopped_at": stopped_at.isoformat(),
        "stop_received_at": (stopped_at + timedelta(seconds=1)).isoformat(),
        "meter_stop_wh": stop_wh,
        "stop_reason": draw.choice(("Local", "Local", "EVDisconnected", "Remote")),
        "stop_id_token": token,
        "energy_wh": max(0, stop_wh - register_wh),
        "last_register_wh": stop_wh,
        "last_power_w": 0,
        "last_soc_percent": round(charge.points[-1][3], 1) if plug.charger.current_type == "DC" else None,
        "last_reading_at": stopped_at.isoformat(),
        "review_reasons": ["register_back"] if dipped else [],
    }


def _readings(plug: _Plug, charge: Charge, session_id: str, register_wh: int) -> Iterator[dict[str, Any]]:
    direct = plug.charger.current_type == "DC"
    last = len(charge.points) - 1
    for number, (second, energy_wh, power_w, soc) in enumerate(charge.points):
        measured_at = charge.started_at + timedelta(seconds=second)
        voltage_v = 380 + soc if direct else _GRID_VOLTAGE_V
        phases = 1 if direct or plug.charger.rated_power_w < 11_000 else 3
        yield {
            "cpo_id": plug.station.cpo_id,
            "charger_id": plug.charger.id,
            "evse_id": plug.evse_id,
            "connector_id": 1,
            "session_id": session_id,
            "measured_at": measured_at.isoformat(),
            "received_at": (measured_at + timedelta(seconds=1)).isoformat(),
            "context": {0: "Transaction.Begin", last: "Transaction.End"}.get(number, "Sample.Periodic"),
            "energy_wh": register_wh + round(energy_wh),
            "power_w": round(power_w),
            "current_a": round(power_w / voltage_v / phases, 1),
            "voltage_v": round(voltage_v, 1),
            "soc_percent": round(soc, 1) if direct else None,
            "temperature_c": round(31 + power_w / 20_000, 1),
            "digest": number,
        }
