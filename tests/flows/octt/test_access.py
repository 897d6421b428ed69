"""Security extension: passwords (TC_073), the own certificate (TC_074), profiles (TC_083), TLS (TC_086, TC_087)."""

from __future__ import annotations

import pytest

from simulator import IdentityRefused, LinkOptions, Unreachable
from tests.flows.octt.lab import Lab, Station
from tests.flows.raw import basic
from tests.support.authority import Authority

pytestmark = pytest.mark.asyncio(loop_scope="package")
PASSWORD = b"sixteen-old-bytes"
ACCEPTED = {"status": "Accepted"}


async def proven(station: Station, profile: int) -> None:
    """The platform sees the charger connected with this profile, and asks for no less from now on."""
    found = await station.security(lambda row: row["connected_profile"] == profile == row["profile"])
    assert found["wanted_profile"] is None
    assert await station.charger.tap(1, station.tag) == "Accepted", "and it goes on working"


async def test_tc_073_update_charge_point_password_for_http_basic_authentication(lab: Lab) -> None:
    async with lab.station(password=PASSWORD) as station:
        command = await station.do("password-rotation")
        assert (command["status"], command["response"]) == ("accepted", ACCEPTED)
        [asked] = station.sent("ChangeConfiguration")
        assert (asked["key"], len(bytes.fromhex(asked["value"]))) == ("AuthorizationKey", 20)
        assert asked["value"] not in str(command), "nobody but the charger learns the password"
        await station.until(lambda: station.charger.books.connections == 2, "the charger to come again")
        found = await station.security(lambda row: row["pending_passwords"] == [] and row["password_changed_at"])
        assert found["connected_profile"] == 1
        assert len(station.said("BootNotification")) == 1
        station.charger.access.change_password(PASSWORD.hex())
        station.charger.drop_connection()
        with pytest.raises(IdentityRefused) as refused:
            await station.charger.reconnect()
        assert refused.value.status == 401
        headers = basic(station.id, bytes.fromhex(asked["value"]))
        async with lab.platform.plugged(station.id, additional_headers=headers) as raw:
            assert await raw.boot() == "Accepted"


async def certified(station: Station) -> None:
    """The charger makes a key, asks for a certificate, gets it and keeps it."""
    command = await station.do("certificates/renew")
    assert command["response"] == ACCEPTED
    assert station.sent("ExtendedTriggerMessage") == [{"requestedMessage": "SignChargePointCertificate"}]
    found = await station.security(lambda row: "installed" in _own(row))
    [(_request, answer)] = station.said("SignCertificate")
    assert answer == ACCEPTED
    own, issuer = station.charger.vault.chain
    assert f"{own.serial_number:x}" == found["certificates"][0]["serial_number"]
    own.verify_directly_issued_by(issuer)


def _own(security: dict[str, object]) -> list[str]:
    rows = security["certificates"]
    assert isinstance(rows, list)
    return [row["state"] for row in rows if row["kind"] == "ChargePointCertificate"]


async def test_tc_074_update_charge_point_certificate_by_request_of_central_system(lab: Lab) -> None:
    async with lab.station(password=PASSWORD) as station:
        await certified(station)
        [signed] = station.sent("CertificateSigned")
        assert signed["certificateChain"].count("BEGIN CERTIFICATE") == 2


async def test_tc_083_upgrade_charge_point_security_profile_accepted(lab: Lab) -> None:
    async with lab.station(password=PASSWORD) as station:
        assert (await station.do("certificates/root"))["response"] == ACCEPTED
        await station.security(lambda row: row["obstacles"]["profile_2"] == [])
        assert (await station.do("security-profile", {"profile": 2}))["response"] == ACCEPTED
        await station.until(lambda: station.charger.books.connections == 2, "the charger to come by TLS")
        assert station.charger.access.address.startswith("wss://")
        await proven(station, 2)
        with pytest.raises(IdentityRefused) as refused:
            async with lab.station(identity=station.id, password=PASSWORD):
                raise AssertionError("the former profile was let in")
        assert refused.value.status == 403
        await certified(station)
        assert (await station.do("security-profile", {"profile": 3}))["response"] == ACCEPTED
        await station.until(lambda: station.charger.books.connections == 3, "the charger to come with its certificate")
        assert station.charger.access.headers() == {}
        await proven(station, 3)


async def test_tc_086_tls_server_side_certificate_valid_certificate(lab: Lab) -> None:
    root = await lab.root()
    configuration = {"SecurityProfile": 2}
    async with lab.station(password=PASSWORD, link=LinkOptions(ca_file=root), configuration=configuration) as station:
        assert station.charger.access.address.startswith("wss://")
        await station.security(lambda row: row["connected_profile"] == 2)
        await station.begin()
        await station.charger.pass_time(60)
        await station.charger.tap(1, station.tag)
        await station.assert_billed("Local")

        stranger = root.with_name("stranger.pem")
        stranger.write_text(Authority("Somebody else").pem)
        with pytest.raises(Unreachable):
            link = LinkOptions(ca_file=stranger)
            async with lab.station(password=PASSWORD, link=link, configuration=configuration):
                raise AssertionError("the charger believed a server that it does not know")


async def test_tc_087_tls_client_side_certificate_valid_certificate(lab: Lab) -> None:
    identity = await lab.platform.register("TC-087", security_profile=3)
    pair = (await lab.site.certified(identity)).path
    link = LinkOptions(ca_file=await lab.root(), certificate=(pair, pair))
    async with lab.station(identity=identity, link=link, configuration={"SecurityProfile": 3}) as station:
        assert station.charger.access.headers() == {}
        await station.security(lambda row: row["connected_profile"] == 3 == row["profile"])
        await station.begin()

    foreign = await lab.platform.register("TC-087-2", security_profile=3)
    with pytest.raises(IdentityRefused) as refused:
        async with lab.station(identity=foreign, link=link, configuration={"SecurityProfile": 3}):
            raise AssertionError("another charger's certificate was believed")
    assert refused.value.status in {401, 403}
