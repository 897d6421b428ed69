"""The car: how much it holds, how much it takes. Energy inside is kept in whole microjoules (watt × µs)."""

from __future__ import annotations

from dataclasses import dataclass

MICROJOULES_PER_WH = 3_600_000_000

Curve = tuple[tuple[int, int], ...]
"""Points (state of charge, share of full power), both in thousandths, ascending; straight lines between."""

AC_TAPER: Curve = ((0, 1000), (950, 1000), (1000, 200))
DC_TAPER: Curve = ((0, 900), (100, 1000), (550, 1000), (800, 450), (900, 200), (1000, 50))


def share_at(curve: Curve, soc_permille: int) -> int:
    """Share of full power (thousandths) that `curve` allows at a state of charge (thousandths)."""
    before = curve[0]
    for point in curve:
        if soc_permille <= point[0]:
            span = point[0] - before[0]
            if span == 0:
                return point[1]
            return before[1] + (point[1] - before[1]) * (soc_permille - before[0]) // span
        before = point
    return curve[-1][1]


@dataclass(slots=True)
class Vehicle:
    """A battery with limits.

    `battery_wh` capacity; `stored_uj` what is in it; `max_ac_w` and `max_dc_w` what the car accepts; `phases`
    its on-board charger uses (1 or 3); `target_soc_percent` where the car stops by itself.
    """

    battery_wh: int = 50_000
    stored_uj: int = 0
    max_ac_w: int = 11_000
    max_dc_w: int = 100_000
    phases: int = 3
    target_soc_percent: int = 100
    model: str = "EV"

    @classmethod
    def at_soc(
        cls,
        soc_percent: int,
        *,
        battery_wh: int = 50_000,
        max_ac_w: int = 11_000,
        max_dc_w: int = 100_000,
        phases: int = 3,
        target_soc_percent: int = 100,
        model: str = "EV",
    ) -> Vehicle:
        """A car that arrives with `soc_percent` (0..100); ValueError outside that."""
        if not 0 <= soc_percent <= 100:
            raise ValueError("soc_percent is between 0 and 100")
        stored_uj = battery_wh * MICROJOULES_PER_WH * soc_percent // 100
        return cls(battery_wh, stored_uj, max_ac_w, max_dc_w, phases, target_soc_percent, model)

    @property
    def capacity_uj(self) -> int:
        """Energy of a full battery in microjoules."""
        return self.battery_wh * MICROJOULES_PER_WH

    @property
    def soc_percent(self) -> int:
        """State of charge, 0..100, rounded down as a display does."""
        return self.stored_uj * 100 // self.capacity_uj

    @property
    def wanted_uj(self) -> int:
        """Energy in microjoules until the car stops by itself."""
        return max(0, self.capacity_uj * self.target_soc_percent // 100 - self.stored_uj)

    def accepts_w(self, *, direct_current: bool, phases: int) -> int:
        """Power in W the car takes at its present state of charge from a plug with `phases` phases."""
        soc_permille = self.stored_uj * 1000 // self.capacity_uj
        if direct_current:
            return self.max_dc_w * share_at(DC_TAPER, soc_permille) // 1000
        used = min(self.phases, phases)
        return self.max_ac_w * used // self.phases * share_at(AC_TAPER, soc_permille) // 1000
