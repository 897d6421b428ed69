"""Cars that drive in Indonesia, roughly: battery, what they take, how common they are."""

from __future__ import annotations

import random
from dataclasses import dataclass

from simulator.vehicle import Vehicle


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `max_dc_w` 0 where it has no DC inlet; `share` a weight."""

    name: str
    battery_wh: int
    max_ac_w: int
    phases: int
    max_dc_w: int
    share: int


MODELS = (
    Model("Wuling Air ev", 26_700, 6_600, 1, 0, 20),
    Model("Wuling Binguo", 37_900, 6_600, 1, 40_000, 14),
    Model("BYD Atto 3", 60_500, 7_000, 1, 88_000, 16),
    Model("BYD Seal", 82_500, 7_000, 1, 150_000, 10),
    Model("Hyundai Ioniq 5", 72_600, 11_000, 3, 220_000, 14),
    Model("Chery Omoda E5", 61_000, 9_900, 3, 80_000, 8),
    Model("MG4", 51_000, 6_600, 1, 117_000, 8),
    Model("Toyota bZ4X", 71_400, 6_600, 1, 150_000, 4),
    Model("BMW i4", 80_700, 11_000, 3, 205_000, 3),
)


def slow_car() -> Vehicle:
    """A car on a household cable: 8 A on one phase, 10 kW on DC."""
    return Vehicle.at_soc(30, max_ac_w=1_840, max_dc_w=10_000, phases=1, model="Slow car")


def arrive(chance: random.Random, *, direct_current: bool) -> Vehicle:
    """A car that needs energy and fits the plug."""
    fitting = [model for model in MODELS if model.max_dc_w or not direct_current]
    model = chance.choices(fitting, [model.share for model in fitting])[0]
    return Vehicle.at_soc(
        chance.randint(8, 55),
        battery_wh=model.battery_wh,
        max_ac_w=model.max_ac_w,
        max_dc_w=model.max_dc_w,
        phases=model.phases,
        target_soc_percent=chance.choice((80, 80, 90, 100)),
        model=model.name,
    )
