"""Security profiles over real TLS sockets: who is let in, who is not, and with which suites."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from websockets.exceptions import InvalidMessage, InvalidStatus

from backend.database import SYSTEM, DirectDatabase
from backend.services.pki import signing
from backend.settings import Settings
from tests.flows.raw import basic
from tests.flows.running import CHARGER
from tests.flows.secured import Identity, Secured, client_certificate, new_key, now, secured

PASSWORD = bytes(range(60, 80))
TLS_REFUSALS = (ssl.SSLError, InvalidMessage, ConnectionError)
SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)


@pytest.fixture
async def site(database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path) -> AsyncIterator[Secured]:
    """The platform with a TLS port."""
    async with secured(database, settings, dsn, tmp_path) as started:
        yield started


async def at_profile(site: Secured, charger_id: str, profile: int) -> str:
    """A charger with PASSWORD that must use this profile."""
    return await site.platform.register(charger_id, password=PASSWORD, security_profile=profile)


async def refused(site: Secured, charger_id: str, identity: Identity | None = None) -> int | type[Exception]:
    """The HTTP status of the refusal, or the error if TLS ends before HTTP."""
    try:
        async with await site.plugged(charger_id, identity) as charger:
            raise AssertionError(f"let in: {await charger.boot()}")
    except InvalidStatus as error:
        return error.response.status_code
    except TLS_REFUSALS as error:
        return type(error)


async def test_a_charger_with_tls_and_password_works(site: Secured) -> None:
    await at_profile(site, "CP-2", 2)

    for password in (PASSWORD, PASSWORD.hex().encode()):
        async with await site.plugged("CP-2", additional_headers=basic("CP-2", password)) as charger:
            assert await charger.boot() == "Accepted"
            transaction = await charger.start()
            await charger.stop(transaction)


@pytest.mark.parametrize("profile", [2, 3])
async def test_over_a_plain_socket_profiles_2_and_3_are_refused(site: Secured, profile: int) -> None:
    await at_profile(site, "CP-2", profile)

    with pytest.raises(InvalidStatus) as refusal:
        async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", PASSWORD)):
            pass
    assert refusal.value.response.status_code == 403


async def test_at_profile_3_a_password_is_not_enough(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)

    with pytest.raises(InvalidStatus) as refusal:
        async with await site.plugged("CP-3", additional_headers=basic("CP-3", PASSWORD)):
            pass
    assert refusal.value.response.status_code == 403


async def test_its_own_certificate_lets_a_charger_in(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)
    identity = await site.certified("CP-3")

    async with await site.plugged("CP-3", identity) as charger:
        assert await charger.boot() == "Accepted"
        row = await site.platform.until(
            "select k.security_profile, t.last_used_at is not null as used from public.connections k"
            " join public.certificates t on t.id = k.certificate_id where k.charger_id = 'CP-3'"
        )
    assert dict(row) == {"security_profile": 3, "used": True}


@pytest.mark.parametrize("other", ["CP-33", "CP-", "cp-3", "P-3", "CP-3 "])
async def test_the_certificate_of_another_charger_is_refused(site: Secured, other: str) -> None:
    await at_profile(site, "CP-3", 3)
    await site.platform.register(other)

    assert await refused(site, "CP-3", await site.certified(other)) == 403


async def test_a_certificate_of_another_name_is_refused_even_if_it_stands_in_the_books(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)

    assert await refused(site, "CP-3", await site.certified("CP-3", name="CP-33")) == 403


async def test_a_certificate_with_several_common_names_is_refused(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)
    issuer, key = await site.authority.issuing(), new_key()
    signed = client_certificate(issuer, key, "CP-3", "CP-4")
    row = signing.describe("ChargePointCertificate", signed, issuer.certificate)
    await site.platform.database.call(
        "keep_certificate",
        {"p_charger_id": "CP-3", "p_certificate": row, "p_state": "installed", "p_command_id": None},
        scope=SYSTEM,
    )

    assert await refused(site, "CP-3", Identity(site.folder, signed, key, issuer.pem)) == 403


async def test_a_certificate_that_the_platform_does_not_know_of_is_refused(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)
    issuer, key = await site.authority.issuing(), new_key()

    assert (
        await refused(site, "CP-3", Identity(site.folder, client_certificate(issuer, key, "CP-3"), key, issuer.pem))
        == 403
    )


async def test_an_expired_certificate_is_refused(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)

    assert await refused(site, "CP-3", await site.certified("CP-3", days=-1)) in TLS_REFUSALS


async def test_a_certificate_of_an_unknown_authority_is_refused(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)
    _, stranger = signing.make_authority(now())
    key = new_key()
    identity = Identity(site.folder, client_certificate(stranger, key, "CP-3"), key, stranger.pem)

    assert await refused(site, "CP-3", identity) in TLS_REFUSALS


async def test_a_server_certificate_is_no_client_certificate(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)
    issuer, key = await site.authority.issuing(), new_key()
    signed = client_certificate(issuer, key, "CP-3", purpose=ExtendedKeyUsageOID.SERVER_AUTH)

    assert await refused(site, "CP-3", Identity(site.folder, signed, key, issuer.pem)) in TLS_REFUSALS


async def test_a_revoked_certificate_is_refused(site: Secured) -> None:
    await at_profile(site, "CP-3", 3)
    identity = await site.certified("CP-3")
    row = await site.platform.row("select id::text from public.certificates where charger_id = 'CP-3'")
    await site.platform.database.call("revoke_certificate", {"p_certificate_id": row["id"]}, scope=SYSTEM)

    assert await refused(site, "CP-3", identity) == 403


async def test_a_wrong_certificate_is_refused_also_where_none_is_asked_for(site: Secured) -> None:
    await site.platform.register("CP-9")

    assert await refused(site, CHARGER, await site.certified("CP-9")) == 403


@pytest.mark.parametrize("suite", SUITES)
async def test_the_four_suites_of_the_whitepaper_are_spoken(site: Secured, suite: str) -> None:
    context = await site.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(suite)

    async with await site.plugged(CHARGER, context=context) as charger:
        used = charger.connection.transport.get_extra_info("cipher")
        assert await charger.boot() == "Accepted"
    assert used[:2] == (suite, "TLSv1.2")


async def test_tls_1_1_and_other_suites_are_not_spoken(site: Secured) -> None:
    old = await site.context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    weak = await site.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256:AES128-SHA")

    for context in (old, weak):
        with pytest.raises(TLS_REFUSALS):
            async with await site.plugged(CHARGER, context=context):
                pass


async def test_failed_handshakes_are_counted_and_a_flood_is_turned_away_unheard(site: Secured) -> None:
    await at_profile(site, "CP-2", 2)
    statuses = []
    for _ in range(32):
        with pytest.raises(InvalidStatus) as refusal:
            async with await site.plugged("CP-2", additional_headers=basic("CP-2", b"wrong wrong wrong")):
                pass
        statuses.append(refusal.value.response.status_code)
    counted = await site.platform.until(
        "select refused_count, reason from public.gate_refusals where refused_count = 30"
    )

    assert statuses == [401] * 30 + [429] * 2
    assert counted["reason"] == "password"
