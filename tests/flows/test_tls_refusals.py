"""Why a charger that fails within TLS does not come: counted by reason, and named where its certificate tells."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from websockets.exceptions import InvalidMessage, InvalidStatus

from backend.database import DirectDatabase
from backend.ocppj.server import Pace
from backend.services.pki import signing
from backend.settings import Settings
from tests.flows.secured import Identity, Secured, client_certificate, new_key, now, secured

CHARGER = "CP-3"
TLS_1_2 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
FAILURES = (ssl.SSLError, InvalidMessage, InvalidStatus, OSError, EOFError)
COUNTED = "select reason, refused_count::int as n, last_address from public.gate_refusals where charger_id = $1"
ALARM = "select charger_id, remote_address, count::int as n, detail - 'node' as detail from public.alarms where kind = 'tls_refused'"  # noqa: E501


@pytest.fixture
async def site(database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path) -> AsyncIterator[Secured]:
    """The platform with a TLS port, telling quickly, and a charger of profile 3."""
    async with secured(database, settings, dsn, tmp_path, pace=Pace(tell_every=0.1)) as started:
        await started.platform.register(CHARGER, security_profile=3)
        yield started


async def fails(
    site: Secured, identity: Identity | None = None, *, path: str = CHARGER, context: ssl.SSLContext | None = None
) -> None:
    """It is not let in."""
    with pytest.raises(FAILURES):
        async with await site.plugged(path, identity, context=context) as charger:
            await charger.boot()


async def expired(site: Secured) -> Identity:
    return await site.certified(CHARGER, days=-1)


async def foreign(site: Secured) -> Identity:
    _, stranger = signing.make_authority(now())
    key = new_key()
    return Identity(site.folder, client_certificate(stranger, key, CHARGER), key, stranger.pem)


async def unfit(site: Secured) -> Identity:
    issuer, key = await site.authority.issuing(), new_key()
    signed = client_certificate(issuer, key, CHARGER, purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    return Identity(site.folder, signed, key, issuer.pem)


async def revoked(site: Secured) -> Identity:
    identity = await site.certified(CHARGER)
    await site.platform.store_execute("update public.certificates set state = 'revoked'")
    return identity


async def of_another(site: Secured) -> Identity:
    await site.platform.register("CP-4")
    return await site.certified("CP-4")


async def unknown(site: Secured) -> Identity:
    issuer, key = await site.authority.issuing(), new_key()
    return Identity(site.folder, client_certificate(issuer, key, CHARGER), key, issuer.pem)


Made = Callable[[Secured], Coroutine[Any, Any, Identity]]
WITHIN_TLS: dict[str, Made] = {
    "certificate_expired": expired, "certificate_untrusted": foreign, "certificate_unfit": unfit,
}  # fmt: skip
AT_THE_GATE: dict[str, Made] = {
    "certificate_revoked": revoked, "certificate_other_name": of_another, "certificate_unknown": unknown,
}  # fmt: skip


@pytest.mark.parametrize("limits", [{}, TLS_1_2], ids=["1.3", "1.2"])
@pytest.mark.parametrize("reason", WITHIN_TLS)
async def test_a_certificate_that_tls_refuses_names_its_charger(
    site: Secured, reason: str, limits: dict[str, Any]
) -> None:
    identity = await WITHIN_TLS[reason](site)
    for _ in range(2):
        await fails(site, context=await site.context(identity, **limits))

    counted = await site.platform.until(f"{COUNTED} and refused_count = 2", CHARGER)
    alarm = await site.platform.until(f"{ALARM} and count = 2")

    assert counted == {"reason": reason, "n": 2, "last_address": "127.0.0.1"}
    assert alarm == {"charger_id": CHARGER, "remote_address": None, "n": 2,
                     "detail": f'{{"reason": "{reason}", "claimed": "{CHARGER}"}}'}  # fmt: skip


@pytest.mark.parametrize("reason", AT_THE_GATE)
async def test_a_certificate_that_the_gate_refuses_is_counted_by_what_is_wrong_with_it(
    site: Secured, reason: str
) -> None:
    await fails(site, await AT_THE_GATE[reason](site))

    assert (await site.platform.until(COUNTED, CHARGER))["reason"] == reason


async def old_version(site: Secured) -> ssl.SSLContext:
    context = await site.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options &= ~ssl.OP_NO_TLSv1_1
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def other_suites(site: Secured) -> ssl.SSLContext:
    context = await site.context(**TLS_1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256:AES128-SHA")
    return context


@pytest.mark.parametrize(
    ("reason", "context"),
    [("tls_version", old_version), ("tls_suites", other_suites)],
)
async def test_without_a_certificate_the_alarm_names_the_address(
    site: Secured, reason: str, context: Callable[[Secured], Coroutine[Any, Any, ssl.SSLContext]]
) -> None:
    await fails(site, context=await context(site))

    assert await site.platform.until(ALARM) == {
        "charger_id": None, "remote_address": "127.0.0.1", "n": 1, "detail": f'{{"reason": "{reason}"}}'
    }  # fmt: skip


def knock_without_trust(port: int) -> None:
    """A charger that knows another root says so in an alert; the event loop's own client would not."""
    context = ssl.create_default_context(cadata=signing.make_authority(now())[0].pem)
    with socket.create_connection(("127.0.0.1", port), 10) as plain, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(plain, server_hostname="localhost")


async def test_a_charger_that_does_not_accept_our_certificate_is_told_of(site: Secured) -> None:
    await asyncio.to_thread(knock_without_trust, site.platform.server.tls_port)

    assert (await site.platform.until(ALARM))["detail"] == '{"reason": "platform_untrusted"}'


async def test_a_charger_that_speaks_plainly_to_the_port_with_tls_is_told_of(site: Secured) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.platform.server.tls_port)
    writer.write(b"GET /CP-3 HTTP/1.1\r\nHost: here\r\n\r\n")
    with suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()

    assert (await site.platform.until(ALARM))["detail"] == '{"reason": "not_tls"}'


async def test_a_certificate_that_names_no_charger_of_ours_is_told_of_by_address(site: Secured) -> None:
    _, stranger = signing.make_authority(now())
    key = new_key()
    await fails(site, Identity(site.folder, client_certificate(stranger, key, "NOBODY"), key, stranger.pem))

    alarm = await site.platform.until(ALARM)
    assert (alarm["charger_id"], alarm["remote_address"]) == (None, "127.0.0.1")
    assert '"claimed": "NOBODY"' in alarm["detail"]
    assert await site.platform.rows("select 1 from public.gate_refusals") == []


async def test_a_storm_over_tls_is_admitted_to_the_last(site: Secured) -> None:
    names = [f"STORM-{number}" for number in range(60)]
    for name in names:
        await site.platform.register(name)
    context = await site.context()
    async with AsyncExitStack() as stack:
        links = [await site.plugged(name, context=context) for name in names]
        chargers = await asyncio.gather(*(stack.enter_async_context(link) for link in links))
        answers = await asyncio.gather(*(charger.boot() for charger in chargers))

    assert answers == ["Accepted"] * 60


async def test_large_messages_and_floods_pass_over_tls_whole(site: Secured) -> None:
    await site.platform.register("CP-0")
    async with await site.plugged("CP-0") as charger:
        await charger.boot()
        for size in (10, 200, 60_000, 300_000):
            answer = await charger.result("DataTransfer", {"vendorId": "x", "data": "y" * size})
            assert answer["status"] in ("UnknownVendorId", "UnknownMessageId", "Rejected", "Accepted")
    await site.platform.until(
        "select 1 as closed from public.connections where charger_id = 'CP-0' and disconnected_at is not null"
    )
