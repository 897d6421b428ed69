"""Certificates from the request to the revocation, and the way up through the profiles, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import InvalidStatus

from backend.database import DirectDatabase, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict
from backend.services.commands import Command, Delivery
from backend.services.directory import Directory, build_directory
from backend.services.pki.certificates import Certificate
from backend.services.pki.signing import pem_of
from backend.settings import Settings
from tests.flows.raw import RawCharger, basic
from tests.flows.running import CHARGER, CPO
from tests.flows.secured import Identity, Secured, new_key, request_for, secured

PASSWORD = bytes(range(60, 80))
ADMIN = Caller(Scope("cpo_admin", "00000000-0000-4000-8000-000000000001", CPO), "Admin")
QUEUED = Delivery(queue=True)
ROOT = "CentralSystemRootCertificate"


@pytest.fixture
async def site(database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path) -> AsyncIterator[Secured]:
    """The platform with a TLS port; CP-1 has PASSWORD."""
    async with secured(database, settings, dsn, tmp_path) as started:
        await started.platform.register("CP-2", password=PASSWORD)
        yield started


def services(site: Secured) -> Directory:
    """The use cases behind the REST API."""
    return build_directory(site.platform.database, site.platform.settings.secret_key)


def plain(site: Secured, charger_id: str = "CP-2") -> Any:
    """The charger on the plain port."""
    return site.platform.plugged(charger_id, additional_headers=basic(charger_id, PASSWORD))


async def answer(charger: RawCharger, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Waits for a call of the platform and answers it; returns the call."""
    message_id, asked = await charger.asked(action)
    await charger.reply(message_id, payload)
    return asked


async def settled(site: Secured, command: Command) -> dict[str, Any]:
    """The command, once the charger's answer is stored."""
    return await site.platform.command(command.id, "status not in ('queued', 'sent')")


async def signed(site: Secured, charger: RawCharger, key: Any, *names: str, **request: Any) -> str:
    """SignCertificate, and the chain that comes back."""
    assert await charger.result("SignCertificate", {"csr": request_for(key, *names, **request)}) == {
        "status": "Accepted"
    }
    await site.work()
    return str((await answer(charger, "CertificateSigned", {"status": "Accepted"}))["certificateChain"])


async def refusal(site: Secured) -> str:
    """Why the newest request was refused."""
    row = await site.platform.until(
        "select tech_info from public.security_events where type = 'CertificateRequestRefused' order by id desc limit 1"
    )
    return str(row["tech_info"])


async def certificates(site: Secured, charger_id: str = "CP-2") -> list[Certificate]:
    """What the API lists."""
    return await services(site).certificates.of_charger(ADMIN.scope, charger_id)


async def test_a_charger_requests_gets_and_uses_its_certificate(site: Secured) -> None:
    async with plain(site) as charger:
        await charger.boot()
        command = await services(site).certificates.renew(ADMIN, "CP-2", QUEUED)
        assert await answer(charger, "ExtendedTriggerMessage", {"status": "Accepted"}) == {
            "requestedMessage": "SignChargePointCertificate"
        }
        await settled(site, command)
        key = new_key()
        leaf, issuer = x509.load_pem_x509_certificates((await signed(site, charger, key, "CP-2")).encode())
        await site.platform.until("select 1 from public.certificates where state = 'installed'")
    identity = Identity(site.folder, leaf, key, pem_of(issuer))
    async with await site.plugged("CP-2", identity) as charger:
        assert await charger.boot() == "Accepted"
        await site.platform.until("select 1 from public.connections where security_profile = 3")
    [kept] = await certificates(site)
    assert kept.serial_number == f"{leaf.serial_number:x}"
    assert leaf.subject.rfc4514_string() == kept.subject == "CN=CP-2,O=Flows"


async def test_a_repeated_request_is_signed_once(site: Secured) -> None:
    async with plain(site) as charger:
        await charger.boot()
        csr = request_for(new_key(), "CP-2")
        for _ in range(3):
            assert await charger.result("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
        await site.work()
        await site.work()
        await answer(charger, "CertificateSigned", {"status": "Accepted"})
        await site.platform.until("select 1 from public.certificates where state = 'installed'")
    assert len(await certificates(site)) == 1


@pytest.mark.parametrize(("names", "organization", "reason"), [
    (("CP-22",), "Flows", "common name"), (("CP-2", "CP-1"), "Flows", "common name"), ((), "Flows", "common name"),
    (("CP-2",), "Somebody", "organization"),
])  # fmt: skip
async def test_a_request_in_another_name_is_refused(
    site: Secured, names: tuple[str, ...], organization: str, reason: str
) -> None:
    async with plain(site) as charger:
        await charger.boot()
        csr = request_for(new_key(), *names, organization=organization)
        assert await charger.result("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
        await site.work()

    assert reason in await refusal(site)
    assert await certificates(site) == []


async def test_weak_keys_and_nonsense_are_refused(site: Secured) -> None:
    weak = request_for(rsa.generate_private_key(65537, 1024), "CP-2")
    async with plain(site) as charger:
        await charger.boot()
        for csr, reason in ((weak, "too weak"), ("no request at all", "not a certificate signing request")):
            await charger.result("SignCertificate", {"csr": csr})
            await site.work()
            assert reason in await refusal(site)


async def test_a_charger_that_proved_nothing_gets_no_certificate(site: Secured) -> None:
    async with site.platform.plugged() as charger:
        await charger.boot()
        await charger.result("SignCertificate", {"csr": request_for(new_key(), CHARGER)})
        await site.work()

    assert "has not proven" in await refusal(site)


async def test_a_certificate_that_ends_soon_is_renewed_once_a_day(site: Secured) -> None:
    await site.certified("CP-2", days=20)
    async with plain(site) as charger:
        await charger.boot()
        assert await site.issuing.keep_watch() == 1
        assert await site.issuing.keep_watch() == 0
        asked = await answer(charger, "ExtendedTriggerMessage", {"status": "Accepted"})
        await signed(site, charger, new_key(), "CP-2")
        await site.platform.store_execute("update public.certificates set renewal_asked_at = null")
        await site.platform.until(
            "select 1 from public.certificates where state = 'installed' and not_after > now() + interval '1 year'"
        )

    assert asked == {"requestedMessage": "SignChargePointCertificate"}
    assert await site.issuing.keep_watch() == 0  # the new one stands


async def test_roots_are_installed_listed_and_deleted(site: Secured) -> None:
    use = services(site)
    async with plain(site) as charger:
        await charger.boot()
        command = await use.certificates.install_root(ADMIN, "CP-2", QUEUED)
        asked = await answer(charger, "InstallCertificate", {"status": "Accepted"})
        await settled(site, command)
        await site.work()
        [root] = await certificates(site)
        assert (root.kind, root.state, asked["certificateType"]) == (ROOT, "installed", ROOT)
        named = {"hashAlgorithm": root.hash_algorithm, "issuerNameHash": root.issuer_name_hash,
                 "issuerKeyHash": root.issuer_key_hash, "serialNumber": root.serial_number}  # fmt: skip
        other = named | {"serialNumber": "00AB12"}
        for listed, states in (
            ([named, other], {root.serial_number: "installed", "ab12": "installed"}),
            ([other], {root.serial_number: "deleted", "ab12": "installed"}),
        ):
            command = await use.commands.enqueue(
                ADMIN, "CP-2", "GetInstalledCertificateIds", {"certificateType": ROOT}, QUEUED
            )
            await answer(charger, "GetInstalledCertificateIds", {"status": "Accepted", "certificateHashData": listed})
            await settled(site, command)
            assert {one.serial_number: one.state for one in await certificates(site)} == states
        command = await use.commands.enqueue(ADMIN, "CP-2", "DeleteCertificate", {"certificateHashData": other}, QUEUED)
        await answer(charger, "DeleteCertificate", {"status": "Accepted"})
        await settled(site, command)
    assert {one.state for one in await certificates(site)} == {"deleted"}


async def test_a_charger_rises_to_profile_2_and_cannot_fall_back(site: Secured) -> None:
    use = services(site)
    async with plain(site) as charger:
        await charger.boot()
        with pytest.raises(Conflict, match="root_certificate"):
            await use.security.raise_profile(ADMIN, "CP-2", 2, QUEUED)
        root = await use.certificates.install_root(ADMIN, "CP-2", QUEUED)
        await answer(charger, "InstallCertificate", {"status": "Accepted"})
        await settled(site, root)
        await site.work()
        command = await use.security.raise_profile(ADMIN, "CP-2", 2, QUEUED)
        asked = await answer(charger, "ChangeConfiguration", {"status": "Accepted"})
        await settled(site, command)
        assert asked == {"key": "SecurityProfile", "value": "2"}
    async with plain(site):  # it has not come with TLS yet, so the old way stays open
        shown = await use.security.get(ADMIN.scope, "CP-2")
        assert (shown.profile, shown.wanted_profile, shown.wanted_profile_state) == (1, 2, "accepted")
    async with await site.plugged("CP-2", additional_headers=basic("CP-2", PASSWORD)):
        await site.platform.until("select 1 from public.chargers where security_profile = 2")
    with pytest.raises(InvalidStatus) as refused:
        async with plain(site):
            pass
    shown = await use.security.get(ADMIN.scope, "CP-2")
    assert refused.value.response.status_code == 403
    assert (shown.profile, shown.wanted_profile) == (2, None)
    with pytest.raises(Conflict, match="no way down"):
        await use.security.raise_profile(ADMIN, "CP-2", 1, QUEUED)


async def test_a_profile_that_does_not_come_is_shown_as_timed_out_and_stays_welcome(site: Secured) -> None:
    use = services(site)
    await site.trusting("CP-2")
    async with plain(site) as charger:
        await charger.boot()
        command = await use.security.raise_profile(ADMIN, "CP-2", 2, QUEUED)
        await answer(charger, "ChangeConfiguration", {"status": "Accepted"})
        await settled(site, command)
        await site.platform.store_execute("update public.commands set answered_at = now() - interval '16 minutes'")
        assert await site.issuing.keep_watch() == 1
        shown = await use.security.get(ADMIN.scope, "CP-2")
        assert (shown.profile, shown.wanted_profile_state) == (1, "timed_out")
        assert [event.type for event in shown.events][:1] == ["SecurityProfileTimedOut"]
    async with await site.plugged("CP-2", additional_headers=basic("CP-2", PASSWORD)):
        raised = await site.platform.until("select 1 as yes from public.chargers where security_profile = 2")
    assert raised["yes"] == 1


async def test_a_rotated_password_is_good_before_its_answer_and_ends_the_old_one_by_its_use(site: Secured) -> None:
    use = services(site)
    async with plain(site) as charger:
        await charger.boot()
        command, (_message, payload) = await asyncio.gather(
            use.security.rotate_password(ADMIN, "CP-2", QUEUED), charger.asked("ChangeConfiguration")
        )
    new = bytes.fromhex(payload["value"])  # the charger kept it; its answer was lost
    await site.platform.command(command.id, "status = 'timed_out'")
    shown = await use.security.get(ADMIN.scope, "CP-2")
    stored = await site.platform.rows("select row_to_json(m)::text as t from public.commands m")
    logged = await site.platform.rows("select row_to_json(m)::text as t from public.ocpp_messages m")

    assert len(new) == 20
    assert [one.command_id for one in shown.pending_passwords] == [command.id]
    assert payload["value"] not in " ".join(row["t"] for row in [*stored, *logged])
    async with plain(site):
        pass
    async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", new.hex().encode())):
        await site.platform.until("select 1 from public.security_events where type = 'PasswordChanged'")
    with pytest.raises(InvalidStatus):
        async with plain(site):
            pass
    assert (await use.security.get(ADMIN.scope, "CP-2")).pending_passwords == []


async def test_a_rejected_password_is_dropped(site: Secured) -> None:
    use = services(site)
    async with plain(site) as charger:
        await charger.boot()
        command = await use.security.rotate_password(ADMIN, "CP-2", QUEUED)
        payload = await answer(charger, "ChangeConfiguration", {"status": "Rejected"})
        await settled(site, command)
    with pytest.raises(InvalidStatus):
        async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", bytes.fromhex(payload["value"]))):
            pass
    async with plain(site) as charger:
        assert await charger.boot() == "Accepted"


async def test_a_password_set_by_hand_ends_those_on_their_way(site: Secured) -> None:
    use = services(site)
    async with plain(site) as charger:
        await charger.boot()
        command = await use.security.rotate_password(ADMIN, "CP-2", QUEUED)
        payload = await answer(charger, "ChangeConfiguration", {"status": "Accepted"})
        await settled(site, command)
    by_hand = await use.security.set_password(ADMIN, "CP-2", None)
    for password in (PASSWORD, bytes.fromhex(payload["value"])):
        with pytest.raises(InvalidStatus):
            async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", password)):
                pass
    async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", bytes.fromhex(by_hand))) as charger:
        assert await charger.boot() == "Accepted"


async def test_a_security_event_is_kept_once_and_marked_when_critical(site: Secured) -> None:
    told = {"type": "TamperDetectionActivated", "timestamp": "2026-11-20T10:00:00Z", "techInfo": "lid"}
    async with plain(site) as charger:
        await charger.boot()
        for payload in (told, told, {"type": "InvalidMessages", "timestamp": "2026-11-20T10:00:01Z"}):
            assert await charger.result("SecurityEventNotification", payload) == {}
    rows = await site.platform.rows("select type, critical, tech_info from public.security_events order by id")

    assert [dict(row) for row in rows] == [
        {"type": "TamperDetectionActivated", "critical": True, "tech_info": "lid"},
        {"type": "InvalidMessages", "critical": False, "tech_info": None},
    ]
