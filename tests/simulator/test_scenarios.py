"""Every row of the table runs to the end it states."""

from __future__ import annotations

import random

import pytest

from simulator import QUIRKS, ChargerSpec, SimulatedCharger, StepClock
from simulator.scenarios import HELP, MIXES, SCENARIOS
from simulator.visits import Visit
from tests.simulator.csms import Csms


@pytest.mark.parametrize("current_type", ["AC", "DC"])
@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_a_scenario_runs_to_its_stated_end(csms: Csms, name: str, current_type: str) -> None:
    scenario = SCENARIOS[name]
    spec = ChargerSpec("DC", 50_000) if current_type == "DC" else ChargerSpec("AC", 22_000)
    quirks = QUIRKS[scenario.quirk]
    async with SimulatedCharger(csms.url, "S", clock=StepClock(), spec=spec, quirks=quirks) as charger:
        await charger.boot()
        tag = "TAG-1" if scenario.good_tag else "STRANGER"
        await Visit(charger, 1, tag, random.Random(7)).play(scenario)
        await charger.settle()

        books, end = charger.books, scenario.ending
        assert (books.sessions_begun, books.sessions_ended, charger.queued) == (end.sessions, end.sessions, 0)
        assert [session.cause for session in books.sessions] == [end.cause] * end.sessions
        assert (charger.status(1), csms.state.statuses()[-1]) == (end.status, end.status)
        assert csms.state.actions().count("BootNotification") == end.boots
        for session in books.sessions:
            assert session.start_acknowledged
            assert session.stop_acknowledged
            assert session.readings_sent == session.readings_acknowledged
            assert session.energy_wh > 0
            assert csms.state.stops[session.transaction_id or 0]["meter_stop"] == session.meter_stop_wh


async def test_help_brings_a_car_to_a_remote_start(csms: Csms) -> None:
    async with SimulatedCharger(csms.url, "S", clock=StepClock()) as charger:
        await charger.boot()
        await charger.start_remotely(1, "TAG-2")
        await Visit(charger, 1, "", random.Random(1)).play(HELP)
        assert (charger.books.last.id_token, charger.books.last.cause) == ("TAG-2", "Local")


@pytest.mark.parametrize("name", sorted(MIXES))
def test_a_mix_names_known_scenarios_and_covers_the_day(name: str) -> None:
    mix = MIXES[name]
    assert set(mix.weights) <= set(SCENARIOS)
    assert set(mix.quirks) <= set(QUIRKS)
    assert len(mix.arrivals_per_hour) == 24
