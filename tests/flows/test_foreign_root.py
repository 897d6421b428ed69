"""The operator's own certificate at the TLS port, of an authority that is not the platform's, over real sockets."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.database import DirectDatabase, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict
from backend.services.commands import Command, Delivery
from backend.services.directory import Directory, build_directory
from backend.services.pki import signing
from backend.services.pki.ending import Ending
from backend.services.pki.signing import Signer
from backend.settings import Settings
from tests.flows.raw import RawCharger, basic
from tests.flows.running import CPO
from tests.flows.secured import Secured, now, secured

PASSWORD = bytes(range(60, 80))
ADMIN = Caller(Scope("cpo_admin", "00000000-0000-4000-8000-000000000001", CPO), "Admin")
QUEUED = Delivery(queue=True)
ROOT, ISSUING = signing.make_authority(now())
OLD_ROOT, OLD_ISSUING = signing.make_authority(now() - timedelta(days=signing.ROOT_DAYS - 10))


def write_pair(folder: Path, issuing: Signer, above: str) -> dict[str, str]:
    """A server certificate with what stands `above` it, and its key, as files; returns the settings that name them."""
    certificate, key = signing.sign_server(issuing, ["localhost", "127.0.0.1"], now())[0]
    (folder / "port.pem").write_text(signing.pem_of(certificate) + above)
    (folder / "port.key").write_text(signing.key_pem(key))
    return {"ocpp_tls_cert": str(folder / "port.pem"), "ocpp_tls_key": str(folder / "port.key")}


@asynccontextmanager
async def own_certificate(
    database: DirectDatabase, settings: Settings, dsn: str, folder: Path, above: str, issuing: Signer = ISSUING
) -> AsyncIterator[Secured]:
    """The platform with such a certificate at its TLS port."""
    wanted = settings.model_copy(update=write_pair(folder, issuing, above))
    async with secured(database, wanted, dsn, folder) as site:
        await site.platform.register("CP-2", password=PASSWORD)
        await site.platform.until("select 1 from public.nodes where stats ->> 'tls_port' is not null")
        yield site


def services(site: Secured) -> Directory:
    """The use cases behind the REST API."""
    return build_directory(site.platform.database, site.platform.settings.secret_key)


async def answered(site: Secured, charger: RawCharger, action: str, command: Command) -> dict[str, Any]:
    """The charger accepts; returns what it was asked."""
    message_id, asked = await charger.asked(action)
    await charger.reply(message_id, {"status": "Accepted"})
    await site.platform.command(command.id, "status = 'accepted'")
    await site.work()
    return asked


async def test_the_platforms_root_was_taken_for_that_of_a_foreign_port(
    database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path
) -> None:
    async with own_certificate(database, settings, dsn, tmp_path, ISSUING.pem) as site:
        use, root = services(site), await site.authority.root_pem()
        async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", PASSWORD)) as charger:
            await charger.boot()
            by_hand = {"certificateType": "CentralSystemRootCertificate", "certificate": root}
            command = await use.commands.enqueue(ADMIN, "CP-2", "InstallCertificate", by_hand, QUEUED)
            await answered(site, charger, "InstallCertificate", command)
            await site.platform.until("select 1 from public.certificates where state = 'installed'")
            with pytest.raises(Conflict, match="root_certificate"):
                await use.security.raise_profile(ADMIN, "CP-2", 2, QUEUED)
            with pytest.raises(Conflict, match=r"CN=UNIEV Root CA.*Append that root") as refused:
                await use.certificates.install_root(ADMIN, "CP-2", QUEUED)
    assert refused.value.code == "root_unknown"


async def test_a_charger_gets_the_root_of_the_port_and_comes_by_it(
    database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path
) -> None:
    async with own_certificate(database, settings, dsn, tmp_path, ISSUING.pem + ROOT.pem) as site:
        use = services(site)
        async with site.platform.plugged("CP-2", additional_headers=basic("CP-2", PASSWORD)) as charger:
            await charger.boot()
            command = await use.certificates.install_root(ADMIN, "CP-2", QUEUED)
            asked = await answered(site, charger, "InstallCertificate", command)
            command = await use.security.raise_profile(ADMIN, "CP-2", 2, QUEUED)
            await answered(site, charger, "ChangeConfiguration", command)
        trusting = ssl.create_default_context(cadata=asked["certificate"])
        headers = basic("CP-2", PASSWORD)
        async with await site.plugged("CP-2", context=trusting, additional_headers=headers) as charger:
            assert await charger.boot() == "Accepted"
            await site.platform.until("select 1 from public.chargers where security_profile = 2")
    assert asked["certificate"] == ROOT.pem


async def test_the_operators_certificate_ended_in_silence(
    database: DirectDatabase, settings: Settings, dsn: str, tmp_path: Path
) -> None:
    async with own_certificate(database, settings, dsn, tmp_path, OLD_ISSUING.pem, OLD_ISSUING) as site:
        ending, tls = Ending(site.platform.database), site.platform.tls
        assert tls is not None
        assert await ending.watch() == 1
        alarm = await site.platform.row("select kind, detail ->> 'subject' as subject from public.alarms")
        write_pair(tmp_path, ISSUING, ISSUING.pem)
        await tls.load()
        await site.platform.until(
            "select 1 from public.nodes where (stats #>> '{tls_certificates,0,not_after}')::timestamptz > now() "
            "+ interval '1 year'"
        )
        assert await ending.watch() == 1
        ended = await site.platform.row("select closed_at from public.alarms")
    assert alarm == {"kind": "server_certificate_ends", "subject": "CN=localhost,O=UNIEV"}
    assert ended["closed_at"] is not None
