"""Who is connected is known in the end, whatever the database did meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from backend.database import DirectDatabase
from backend.ocppj.server import Pace
from backend.services.upkeep import Upkeep
from backend.settings import Settings
from tests.flows.running import CHARGER, Running, running
from tests.support.waiting import eventually

FULL = """
create function public.full_disk() returns trigger language plpgsql as
    $$ begin raise exception using errcode = '53100', message = 'disk full'; end $$;
create trigger full_disk before insert or update on public.connections for each row execute function public.full_disk()
"""
LIVE = "select connection_id from public.connections where charger_id = $1 and disconnected_at is null"
GONE = "select connection_id from public.connections where charger_id = $1 and disconnected_at is not null"


async def outage(platform: Running) -> None:
    """Nothing can be stored of connections, for longer than the lane has patience."""
    platform.server._lane._patience_s = 0.1
    await platform.store_execute(FULL)


async def end_of_outage(platform: Running) -> None:
    await platform.store_execute("drop trigger full_disk on public.connections; drop function public.full_disk()")


async def test_a_connect_and_a_disconnect_during_an_outage_are_known_after_it(
    platform: Running, caplog: pytest.LogCaptureFixture
) -> None:
    await outage(platform)
    async with platform.plugged():
        await eventually(lambda: "not stored yet" in caplog.text, "a connect that cannot be stored")
        await end_of_outage(platform)
        await platform.until(LIVE, CHARGER)
        await outage(platform)
        caplog.clear()
    await eventually(lambda: "not stored yet" in caplog.text, "a disconnect that cannot be stored")
    await end_of_outage(platform)
    assert await platform.until(GONE, CHARGER)


@pytest.mark.parametrize("left", ["null", "now()"])
async def test_a_clock_of_the_server_that_was_set_back_did_hide_the_charger(platform: Running, left: str) -> None:
    """Its last socket was opened an hour from now, on a server that told of its end, or died."""
    async with platform.plugged():
        await platform.until(LIVE, CHARGER)
    before = await platform.until(GONE, CHARGER)
    await platform.store_execute(
        f"update public.connections set connected_at = now() + interval '1 hour', disconnected_at = {left}"  # noqa: S608
    )
    async with platform.plugged():
        await platform.until(f"{LIVE} and connection_id <> $2", CHARGER, before["connection_id"])


async def test_a_server_whose_clock_is_behind_the_others_did_not_find_the_charger(platform: Running) -> None:
    async with platform.plugged():
        await platform.until(LIVE, CHARGER)
    await platform.until(GONE, CHARGER)
    at = datetime.now(UTC) - timedelta(minutes=1)
    await platform.server._intake.connect({
        "charger_id": CHARGER, "connection_id": str(uuid4()), "node": "behind", "protocol": "ocpp1.6", "at": at,
        "remote_address": None, "security_profile": 0, "password_hash": None, "certificate_id": None,
    })  # fmt: skip

    assert await platform.rows(LIVE, CHARGER)


class AnHourAhead(datetime):
    """The clock of a machine that nobody sets."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(hours=1)


async def test_a_server_whose_clock_is_ahead_hid_the_chargers_that_went_to_others(
    platform: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("backend.ocppj.connection", "backend.ocppj.server", "backend.services.nodes"):
        monkeypatch.setattr(f"{module}.datetime", AnHourAhead, raising=False)
    since = await platform.row("select clock_timestamp() - interval '1 second' as at")
    async with platform.plugged():
        await platform.until(f"{LIVE} and connected_at between $2 and clock_timestamp()", CHARGER, since["at"])
    await platform.until(f"{GONE} and disconnected_at between $2 and clock_timestamp()", CHARGER, since["at"])


async def test_a_charger_deleted_while_connected_loses_its_socket(
    database: DirectDatabase, settings: Settings, dsn: str
) -> None:
    async with running(database, settings, dsn, pace=Pace(tell_every=0.05)) as platform, platform.plugged() as charger:
        assert await charger.boot() == "Accepted"
        await platform.store_execute("delete from public.chargers")
        await charger.send([2, "1", "Heartbeat", {}])
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await charger.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_wish_that_expired_unheard_is_told_when_the_charger_returns(platform: Running) -> None:
    wish = {"connectorId": 0, "type": "Inoperative"}
    expired = await platform.ask("ChangeAvailability", wish, queue=True)
    await platform.store_execute("update public.chargers set availability = 'inoperative'")
    await platform.store_execute("update public.commands set expires_at = now()")
    await Upkeep(platform.database).expire_commands()

    async with platform.plugged() as charger:
        message_id, payload = await charger.asked("ChangeAvailability")
        await charger.reply(message_id, {"status": "Accepted"})
        await platform.until("select id from public.commands where status = 'accepted'")
    async with platform.plugged() as charger:
        assert await charger.boot() == "Accepted"
        await platform.until(LIVE, CHARGER)

    assert payload == wish
    asked = await platform.rows("select id, status from public.commands order by seq")
    assert [row["status"] for row in asked] == ["expired", "accepted"]
    assert str(asked[0]["id"]) == expired
