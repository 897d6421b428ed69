"""What suspending and closing a CPO does to its chargers, over real sockets."""

from __future__ import annotations

from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from backend.database import SYSTEM, DirectDatabase
from backend.ocppj.server import Pace
from backend.settings import Settings
from tests.flows.running import CHARGER, CPO, Running, running

STEPS = {"suspend": ("active", "suspended"), "reinstate": ("suspended", "active"), "close": ("active", "closed")}


async def stand(platform: Running, step: str) -> None:
    """What the EMSV's decision does to the database."""
    was, becomes = STEPS[step]
    taken = {"id": str(uuid4()), "cpo_id": CPO, "step": step, "from": was, "to": becomes, "message": "why",
             "party": "emsv", "actor_name": "Rina"}  # fmt: skip
    await platform.database.call("change_cpo_standing", {"p_step": taken, "p_mails": []}, scope=SYSTEM)


async def test_at_a_suspended_cpo_no_session_begins_and_the_running_one_goes_on(platform: Running) -> None:
    async with platform.plugged() as charger:
        await charger.boot()
        running_session = await charger.start("TAG-1")

        await stand(platform, "suspend")

        assert (await charger.result("Authorize", {"idTag": "TAG-2"}))["idTagInfo"]["status"] == "Blocked"
        refused = await charger.start_answer("TAG-2", connector=2)
        assert refused["idTagInfo"]["status"] == "Blocked"
        await charger.stop(running_session, meter=6000)
        assert (await platform.session(running_session))["energy_wh"] == 5000
        assert await charger.boot() == "Accepted"

        await stand(platform, "reinstate")
        assert (await charger.result("Authorize", {"idTag": "TAG-2"}))["idTagInfo"]["status"] == "Accepted"


async def test_a_closed_cpos_chargers_are_hung_up_on_and_let_in_no_more(
    database: DirectDatabase, settings: Settings, dsn: str
) -> None:
    async with running(database, settings, dsn, pace=Pace(ping_every=0.2, tell_every=0.1)) as platform:
        async with platform.plugged() as charger:
            assert await charger.boot() == "Accepted"
            await platform.until("select 1 from public.connections where charger_id = $1", CHARGER)

            await stand(platform, "close")

            with pytest.raises(ConnectionClosed):
                await charger.receive()
        with pytest.raises(InvalidStatus) as refused:
            async with platform.plugged():
                pass
        assert refused.value.response.status_code == 404
