"""Certificates that end are told in time: one alarm each, until they are renewed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM, Database
from backend.services.pki.ending import Ending
from tests.support.stores import TRANSPORTS, open_store

OWN = "ChargePointCertificate"
DAY = timedelta(days=1)


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Watch:
    """A charger at profile 3, and the clock's duty."""

    def __init__(self, store: Database) -> None:
        self.store, self.ending = store, Ending(store)

    async def certificate(self, serial: str, days: float, **changes: Any) -> None:
        """One of the charger's own, which ends in so many days; the same serial number again is the same one."""
        row = {"charger_id": "CP-1", "cpo_id": None, "kind": OWN, "state": "installed", "serial_number": serial,
               "subject": "CN=CP-1", "not_before": (now() - 30 * DAY).isoformat(),
               "not_after": (now() + days * DAY).isoformat()} | changes  # fmt: skip
        on = ["charger_id", "kind", "serial_number"]
        await self.store.upsert("certificates", [row], scope=SYSTEM, on=on, columns="id")

    async def serve(self, node: str, *days: float) -> None:
        """A node whose port serves certificates that end in so many days; without any, one that tells nothing of it."""
        told = [{"subject": f"CN={node}", "not_after": (now() + n * DAY).isoformat()} for n in days]
        stats = {"tls_port": 1} | ({"tls_certificates": told} if told else {})
        arguments = {"p_node": node, "p_started": True, "p_stats": stats}
        await self.store.call("beat_node", arguments, scope=SYSTEM)

    async def alarms(self) -> list[tuple[str, int, int, bool]]:
        """After the duty has run twice: kind, count, within how many days, open."""
        await self.ending.watch()
        assert await self.ending.watch() == 0, "nothing new in the same minute"
        rows = await self.store.select("alarms", scope=SYSTEM, order=[("opened_at", "asc")])
        return [(r["kind"], r["count"], r["detail"]["within_days"], r["closed_at"] is None) for r in rows]


@pytest.fixture(params=TRANSPORTS)
async def watch(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Watch]:
    """Over either transport."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as store:
        [cpo] = await store.insert("cpos", [{"name": "C"}], scope=SYSTEM)
        charger = {"id": "CP-1", "cpo_id": cpo["id"], "security_profile": 3}
        await store.insert("chargers", [charger], scope=SYSTEM, columns="id")
        yield Watch(store)


async def test_a_certificate_that_nobody_renewed_ended_in_silence(watch: Watch) -> None:
    await watch.certificate("1", 22)
    assert await watch.alarms() == []
    for days, count, step in ((20, 1, 21), (6, 2, 7), (-1, 3, 0)):
        await watch.certificate("1", days)
        assert await watch.alarms() == [("certificate_ends", count, step, True)]
    [alarm] = await watch.store.select("alarms", scope=SYSTEM)
    [charger] = await watch.store.select("chargers", scope=SYSTEM, columns="cpo_id")
    assert (alarm["charger_id"], alarm["cpo_id"]) == ("CP-1", charger["cpo_id"])
    assert alarm["detail"]["subject"] == "CN=CP-1"


async def test_the_alarm_ends_with_the_renewal_and_not_with_one_that_is_only_signed(watch: Watch) -> None:
    await watch.certificate("1", 5)
    await watch.certificate("2", 700, state="issued")
    assert await watch.alarms() == [("certificate_ends", 1, 7, True)]
    await watch.certificate("2", 700)
    assert await watch.alarms() == [("certificate_ends", 1, 7, False)]
    await watch.certificate("2", 3)
    assert await watch.alarms() == [("certificate_ends", 1, 7, False), ("certificate_ends", 1, 7, True)]


async def test_a_certificate_that_is_not_needed_is_no_alarm_once_it_has_ended(watch: Watch) -> None:
    await watch.certificate("1", 5)
    await watch.store.update("chargers", {"security_profile": 0}, scope=SYSTEM, where=[("id", "eq", "CP-1")],
                             columns="id")  # fmt: skip
    assert await watch.alarms() == [("certificate_ends", 1, 7, True)]
    await watch.certificate("1", -1)
    assert await watch.alarms() == [("certificate_ends", 1, 7, False)]
    await watch.certificate("1", 5, state="revoked")
    await watch.certificate("2", 5, kind="CentralSystemRootCertificate")
    assert [row[3] for row in await watch.alarms()] == [False]


async def test_the_certificate_of_the_tls_port_ended_in_silence(watch: Watch) -> None:
    await watch.serve("a", 300, 400)
    assert await watch.alarms() == []
    await watch.serve("b", 400, 20)
    await watch.serve("c", 30)
    assert await watch.alarms() == [("server_certificate_ends", 1, 21, True)]
    await watch.serve("b", 400, 6)
    assert await watch.alarms() == [("server_certificate_ends", 2, 7, True)]
    [alarm] = await watch.store.select("alarms", scope=SYSTEM)
    assert (alarm["charger_id"], alarm["cpo_id"], alarm["detail"]["subject"]) == (None, None, "CN=b")


async def test_a_restart_of_the_server_ends_no_alarm_and_a_renewal_does(watch: Watch) -> None:
    await watch.serve("a", 6)
    assert await watch.alarms() == [("server_certificate_ends", 1, 7, True)]
    await watch.store.call("end_node", {"p_node": "a"}, scope=SYSTEM)
    assert await watch.alarms() == [("server_certificate_ends", 1, 7, True)]
    await watch.serve("b")
    assert await watch.alarms() == [("server_certificate_ends", 1, 7, True)]
    await watch.serve("c", 90)
    assert await watch.alarms() == [("server_certificate_ends", 1, 7, False)]
