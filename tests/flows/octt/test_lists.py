"""Local Auth List (TC_042, TC_043): what the charger keeps, and what the platform sends."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import QUIRKS
from tests.flows.octt.lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="package")
ACCEPTED = {"status": "Accepted"}


def entries(*tags: str) -> list[dict[str, Any]]:
    """Entries of a local list; a tag that begins with "-" is to be removed."""
    return [{"idTag": tag[1:]} if tag.startswith("-") else {"idTag": tag, "idTagInfo": ACCEPTED} for tag in tags]


def update(version: int, kind: str, *tags: str) -> dict[str, Any]:
    """SendLocalList."""
    return {"listVersion": version, "localAuthorizationList": entries(*tags), "updateType": kind}


async def test_tc_042_1_get_local_list_version_not_supported(lab: Lab) -> None:
    async with lab.station(configuration={"LocalAuthListEnabled": "false"}) as station:
        await station.expect("GetLocalListVersion", {}, {"listVersion": -1})


async def test_tc_042_2_get_local_list_version_empty(lab: Lab) -> None:
    async with lab.station() as station:
        await station.expect("SendLocalList", {"listVersion": 1, "updateType": "Full"}, ACCEPTED)
        await station.expect("GetLocalListVersion", {}, {"listVersion": 0})


async def test_tc_043_1_send_local_authorization_list_not_supported(lab: Lab) -> None:
    async with lab.station(configuration={"LocalAuthListEnabled": "false"}) as station:
        command = await station.expect("SendLocalList", update(1, "Full", "L1"), {"status": "NotSupported"})
        assert command["status"] == "rejected"


async def test_tc_043_3_send_local_authorization_list_failed(lab: Lab) -> None:
    async with lab.station(quirks=QUIRKS["list-fails"]) as station:
        await station.expect("SendLocalList", update(1, "Full", "L1"), {"status": "Failed"})
        assert len(station.charger.authorizer.local_list) == 0


async def test_tc_043_4_send_local_authorization_list_full(lab: Lab) -> None:
    async with lab.station() as station:
        await station.expect("SendLocalList", update(3, "Full", station.tag, "L2"), ACCEPTED)
        await station.expect("GetLocalListVersion", {}, {"listVersion": 3})
        await station.expect("SendLocalList", update(5, "Full", station.tag), ACCEPTED)
        await station.expect("GetLocalListVersion", {}, {"listVersion": 5})
        assert len(station.charger.authorizer.local_list) == 1
        station.charger.configuration.set("AllowOfflineTxForUnknownId", "false")
        station.charger.drop_connection()
        await station.charger.plug_in()
        assert await station.charger.tap(1, "L2") == "Invalid"
        assert await station.charger.tap(1, station.tag) == "Accepted", "the list lets in who is on it"
        await station.charger.reconnect()
        assert (await station.session())["id_token"] == station.tag


async def test_tc_043_5_send_local_authorization_list_differential(lab: Lab) -> None:
    async with lab.station() as station:
        await station.expect("SendLocalList", update(1, "Full", "L1", "L2"), ACCEPTED)
        await station.expect("SendLocalList", update(2, "Differential", "L3", "-L1"), ACCEPTED)
        await station.expect("GetLocalListVersion", {}, {"listVersion": 2})
        local = station.charger.authorizer.local_list
        assert [local.find(tag) is not None for tag in ("L1", "L2", "L3")] == [False, True, True]
        await station.expect("SendLocalList", update(2, "Differential", "L4"), {"status": "VersionMismatch"})
        await station.expect("GetLocalListVersion", {}, {"listVersion": 2})
