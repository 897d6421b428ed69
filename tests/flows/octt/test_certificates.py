"""Security extension: certificates a charger trusts or is given (TC_075 to TC_078), Basic authentication (TC_085),
the subprotocol (TC_088).
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator import IdentityRefused, LinkOptions
from tests.flows.octt.lab import Lab, Station
from tests.flows.raw import basic
from tests.support.authority import DAY, Authority

pytestmark = pytest.mark.asyncio(loop_scope="package")
ACCEPTED = {"status": "Accepted"}
MAKER, CENTRAL = "ManufacturerRootCertificate", "CentralSystemRootCertificate"


async def installed(station: Station, use: str, authority: Authority) -> dict[str, str]:
    """InstallCertificate, then what GetInstalledCertificateIds says of it."""
    await station.expect("GetInstalledCertificateIds", {"certificateType": use}, {"status": "NotFound"})
    await station.expect("InstallCertificate", {"certificateType": use, "certificate": authority.pem}, ACCEPTED)
    command = await station.ask("GetInstalledCertificateIds", {"certificateType": use})
    assert (command["status"], command["response"]["status"]) == ("accepted", "Accepted")
    [known] = command["response"]["certificateHashData"]
    assert int(known["serialNumber"], 16) == authority.certificate.serial_number
    return dict(known)


async def noted(station: Station) -> list[str]:
    """Security events of the charger as the platform lists them."""
    found = await station.get("/api/security-events", charger_id=station.id, source="charger")
    return [row["type"] for row in found["items"]]


async def test_tc_075_1_install_certificate_manufacturer_root_certificate(lab: Lab) -> None:
    async with lab.station() as station:
        await installed(station, MAKER, Authority("Maker"))


async def test_tc_075_2_install_certificate_central_system_root_certificate(lab: Lab) -> None:
    async with lab.station() as station:
        await installed(station, CENTRAL, Authority("Central system"))


async def test_tc_076_delete_a_specific_certificate_from_the_charge_point(lab: Lab) -> None:
    async with lab.station() as station:
        known = await installed(station, MAKER, Authority("Maker"))
        await station.expect("DeleteCertificate", {"certificateHashData": known}, ACCEPTED)
        await station.expect("GetInstalledCertificateIds", {"certificateType": MAKER}, {"status": "NotFound"})
        await station.expect("DeleteCertificate", {"certificateHashData": known}, {"status": "NotFound"})


async def test_tc_077_invalid_charge_point_certificate_security_event(lab: Lab) -> None:
    async with lab.station() as station:
        stranger = Authority("Somebody else")
        await station.expect("CertificateSigned", {"certificateChain": stranger.pem}, {"status": "Rejected"})
        await station.until_told("SecurityEventNotification", "InvalidChargePointCertificate", member="type")
        assert await noted(station) == ["InvalidChargePointCertificate"]
        assert station.charger.vault.chain == []


async def test_tc_078_invalid_central_system_certificate_security_event(lab: Lab) -> None:
    async with lab.station() as station:
        expired = Authority("Central system", begins_in=-2 * DAY, lasts=timedelta(hours=1))
        payload = {"certificateType": CENTRAL, "certificate": expired.pem}
        await station.expect("InstallCertificate", payload, {"status": "Rejected"})
        await station.until_told("SecurityEventNotification", "InvalidCentralSystemCertificate", member="type")
        assert await noted(station) == ["InvalidCentralSystemCertificate"]


async def test_tc_085_basic_authentication_valid_username_and_password(lab: Lab) -> None:
    password = bytes.fromhex("00112233445566778899aabbccddeeff")
    async with lab.station(password=password) as station:
        assert (await station.get(f"/api/chargers/{station.id}"))["connected"]
        url = f"{lab.platform.url}/{station.id}"
        assert station.charger.access.address == url
        station.charger.access.change_password("ff" * 16)
        station.charger.drop_connection()
        with pytest.raises(IdentityRefused) as refused:
            await station.charger.reconnect()
        assert refused.value.status == 401
        async with lab.platform.plugged(station.id, additional_headers=basic(station.id, password)) as raw:
            assert await raw.boot() == "Accepted"


async def test_tc_088_websocket_subprotocol_negotiation(lab: Lab) -> None:
    async with lab.station(boots=False, link=LinkOptions(subprotocols=("ocpp0.1",))) as station:
        with pytest.raises(IdentityRefused) as refused:
            await station.charger.boot()
        assert refused.value.status == 400
    async with lab.station(link=LinkOptions(subprotocols=("ocpp0.1", "ocpp1.6"))) as station:
        assert station.charger.connected
        charger = await station.get(f"/api/chargers/{station.id}")
        assert (charger["connected"], charger["protocol"]) == (True, "ocpp1.6")
