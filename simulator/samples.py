"""From a reading of the meter to the `meterValue` of OCPP 1.6 (§7), with whatever quirks the charger has."""

from __future__ import annotations

from typing import Any

from simulator.charger import Reading
from simulator.quirks import ENERGY_TEXTS, Quirks

Sample = dict[str, str]
_ENERGY = "Energy.Active.Import.Register"
_PHASES = ("L1", "L2", "L3")


def _energy(energy_wh: int, phases: int, quirks: Quirks) -> list[Sample]:
    value, unit = ENERGY_TEXTS[quirks.energy_text](energy_wh)
    total: Sample = {"measurand": _ENERGY, "value": value, "unit": unit}
    if quirks.energy_phases == "total":
        return [total]
    if quirks.energy_phases == "first":
        return [total | {"phase": "L1"}]
    shares = [energy_wh // phases] * (phases - 1)
    shares.append(energy_wh - sum(shares))
    split = [
        {"measurand": _ENERGY, "value": text, "unit": unit, "phase": phase}
        for phase, (text, unit) in zip(
            _PHASES, (ENERGY_TEXTS[quirks.energy_text](share) for share in shares), strict=False
        )
    ]
    return [*split, total] if quirks.energy_phases == "both" else split


def _per_phase(measurand: str, value: str, unit: str, reading: Reading) -> list[Sample]:
    sample: Sample = {"measurand": measurand, "value": value, "unit": unit}
    if reading.phases == 1:
        return [sample]
    suffix = "-N" if measurand == "Voltage" else ""
    return [sample | {"phase": phase + suffix} for phase in _PHASES[: reading.phases]]


def _samples(reading: Reading, energy_wh: int, measurands: list[str], quirks: Quirks) -> list[Sample]:
    soc = reading.soc_percent
    celsius = "Celcius" if quirks.celcius else "Celsius"
    made: dict[str, list[Sample]] = {
        _ENERGY: _energy(energy_wh, reading.phases, quirks),
        "Power.Active.Import": [{"measurand": "Power.Active.Import", "value": str(reading.power_w), "unit": "W"}],
        "Current.Import": _per_phase("Current.Import", str(reading.current_a), "A", reading),
        "Voltage": _per_phase("Voltage", str(reading.voltage_v), "V", reading),
        "SoC": [] if soc is None else [{"measurand": "SoC", "value": str(soc), "unit": "Percent"}],
        "Temperature": [
            {
                "measurand": "Temperature",
                "value": str(reading.temperature_c),
                "unit": celsius,
                "location": "Body",
            }
        ],
    }
    return [sample for name in measurands for sample in made.get(name, [])]


def meter_value(
    reading: Reading, energy_wh: int, *, context: str, measurands: list[str], quirks: Quirks
) -> dict[str, Any]:
    """One element of `meterValue`.

    `energy_wh` is what the charger says its register shows (a lie perhaps); `measurands` what to include, in
    order; `context` an OCPP 1.6 ReadingContext. A charger with `bare_samples` sends the energy value alone.
    """
    if quirks.bare_samples:
        samples: list[Sample] = [{"value": ENERGY_TEXTS[quirks.energy_text](energy_wh)[0]}]
    else:
        samples = _samples(reading, energy_wh, measurands, quirks)
        samples = [{"context": context, **sample} for sample in samples]
    return {"timestamp": quirks.timestamp(reading.measured_at), "sampledValue": samples}
