"""Renewal of chargers' certificates when something gets lost on the way, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from backend.database import SYSTEM, DirectDatabase
from backend.services.pki.signing import pem_of
from backend.settings import Settings
from tests.flows.raw import RawCharger, basic
from tests.flows.secured import Identity, Secured, new_key, request_for, secured

PASSWORD = bytes(range(60, 80))
OWN = (
    "select state from public.certificates where kind = 'ChargePointCertificate' "
    "and not_after > now() + interval '1 year'"
)


@pytest.fixture
async def site(database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path) -> AsyncIterator[Secured]:
    """The platform with a TLS port; the certificate of CP-2 ends in 20 days."""
    async with secured(database, settings, dsn, tmp_path) as started:
        await started.platform.register("CP-2", password=PASSWORD)
        await started.certified("CP-2", days=20)
        yield started


def plain(site: Secured) -> Any:
    """The charger on the plain port."""
    return site.platform.plugged("CP-2", additional_headers=basic("CP-2", PASSWORD))


async def request(site: Secured, charger: RawCharger, key: Any) -> None:
    """The charger is asked for a request, and sends it."""
    assert await site.issuing.keep_watch() == 1
    message_id, _payload = await charger.asked("ExtendedTriggerMessage")
    await charger.reply(message_id, {"status": "Accepted"})
    assert await charger.result("SignCertificate", {"csr": request_for(key, "CP-2")}) == {"status": "Accepted"}


async def ended(site: Secured, status: str) -> None:
    """The command that brings the certificate has ended so."""
    await site.platform.until(
        "select 1 from public.commands where action = 'CertificateSigned' and status = $1", status
    )


async def a_day_later(site: Secured) -> None:
    """What was asked, sent and signed so far was a day and an hour ago."""
    await site.platform.store_execute("""
        update public.certificates set renewal_asked_at = renewal_asked_at - interval '25 hours',
            created_at = created_at - interval '25 hours', state_at = state_at - interval '25 hours';
        update public.commands set sent_at = sent_at - interval '25 hours',
            created_at = created_at - interval '25 hours', expires_at = expires_at - interval '25 hours'
    """)
    await site.platform.database.call("expire_commands", scope=SYSTEM)


async def expired(site: Secured) -> None:
    """The charger goes away before its certificate is signed, and does not come back."""
    async with plain(site) as charger:
        await charger.boot()
        await request(site, charger, new_key())
    await site.platform.until("select 1 from public.connections where disconnected_at is not null")
    await site.work()
    await a_day_later(site)
    await ended(site, "expired")


async def failed(site: Secured) -> None:
    """The charger answers with an error."""
    async with plain(site) as charger:
        await charger.boot()
        await request(site, charger, new_key())
        await site.work()
        message_id, _payload = await charger.asked("CertificateSigned")
        await charger.send([4, message_id, "InternalError", "No room.", {}])
        await ended(site, "failed")
    await a_day_later(site)


async def unanswered(site: Secured) -> None:
    """The charger loses its power when the certificate arrives."""
    async with plain(site) as charger:
        await charger.boot()
        await request(site, charger, new_key())
        await site.work()
        await charger.asked("CertificateSigned")
    await ended(site, "timed_out")
    await a_day_later(site)


@pytest.mark.parametrize("fate", [expired, failed, unanswered])
async def test_one_unconfirmed_certificate_stopped_renewal_for_good(site: Secured, fate: Any) -> None:
    await fate(site)
    async with plain(site) as charger:
        await charger.boot()
        await request(site, charger, new_key())
        await site.work()
        message_id, _payload = await charger.asked("CertificateSigned")
        await charger.reply(message_id, {"status": "Accepted"})
        await site.platform.until(f"{OWN} and state = 'installed'")
    await a_day_later(site)
    assert await site.issuing.keep_watch() == 0  # the new one stands


async def test_a_certificate_on_its_way_and_one_whose_answer_was_just_lost_are_waited_for(site: Secured) -> None:
    async with plain(site) as charger:
        await charger.boot()
        await request(site, charger, new_key())
        await site.work()
        await charger.asked("CertificateSigned")
        await site.platform.store_execute("update public.certificates set renewal_asked_at = null")
        assert await site.issuing.keep_watch() == 0
    await ended(site, "timed_out")
    assert await site.issuing.keep_watch() == 0


@pytest.mark.parametrize("later", [False, True])
async def test_a_charger_that_comes_with_its_new_certificate_after_a_lost_answer_is_let_in(
    site: Secured, later: bool
) -> None:
    key = new_key()
    async with plain(site) as charger:
        await charger.boot()
        await request(site, charger, key)
        await site.work()
        _message_id, payload = await charger.asked("CertificateSigned")
    await ended(site, "timed_out")
    if later:
        await a_day_later(site)
    leaf, issuer = x509.load_pem_x509_certificates(payload["certificateChain"].encode())
    async with await site.plugged("CP-2", Identity(site.folder, leaf, key, pem_of(issuer))) as charger:
        assert await charger.boot() == "Accepted"
        await site.platform.until(f"{OWN} and state = 'installed'")
    assert await site.issuing.keep_watch() == 0
