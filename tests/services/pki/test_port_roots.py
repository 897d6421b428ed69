"""Which roots the TLS port rests on, and whether a charger holds them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM, Database
from backend.services.pki import signing
from backend.services.pki.authority import ServerPair
from backend.services.pki.chains import read_chain, served
from tests.support.authority import Authority, pem
from tests.support.stores import TRANSPORTS, open_store

NOW = datetime.now(UTC)
ROOT, ISSUING = signing.make_authority(NOW)
OTHER = Authority("Other")
KIND = "CentralSystemRootCertificate"


def leaf() -> str:
    """A server certificate beneath ROOT, without anything above it."""
    return signing.pem_of(signing.sign_server(ISSUING, ["localhost"], NOW)[0][0])


def tell(*chains: str, known: str = "") -> dict[str, Any]:
    """What a node that serves these chains tells."""
    return {"tls_port": 1, "tls_certificates": served([ServerPair(chain, "") for chain in chains], known)}


@pytest.mark.parametrize(("chain", "known"), [
    ([ISSUING.pem, ROOT.pem], ""), ([ROOT.pem, ISSUING.pem], ""), ([ISSUING.pem], OTHER.pem + ROOT.pem),
    ([], ROOT.pem + ISSUING.pem),
])  # fmt: skip
def test_a_chain_is_followed_to_its_root(chain: list[str], known: str) -> None:
    found = read_chain(leaf() + "".join(chain), known)

    assert found.root == ROOT.certificate
    assert [link.subject.rfc4514_string() for link in found.links][1:] == [
        "CN=UNIEV Issuing CA,O=UNIEV", "CN=UNIEV Root CA,O=UNIEV"]  # fmt: skip
    assert abs(found.not_after - NOW - timedelta(days=signing.SERVER_DAYS)) < timedelta(days=1)


def test_a_root_that_nobody_gave_is_known_by_name_alone() -> None:
    [told] = tell(leaf() + ISSUING.pem, known=OTHER.pem)["tls_certificates"]
    [unreadable] = tell("no certificate")["tls_certificates"]

    assert (told["issuer"], told["root"]) == ("CN=UNIEV Root CA,O=UNIEV", None)
    assert unreadable["root"] is None
    assert read_chain(OTHER.pem).root == OTHER.certificate  # one that stands for itself


def test_a_root_of_the_same_name_with_another_key_is_another() -> None:
    again, _issuing = signing.make_authority(NOW)

    assert read_chain(leaf() + ISSUING.pem + again.pem).root is None


class Site:
    """A charger, and what servers tell."""

    def __init__(self, store: Database) -> None:
        self.store = store

    async def install(self, row: dict[str, Any]) -> None:
        """A root at the charger."""
        arguments = {"p_charger_id": "CP-1", "p_certificate": row, "p_state": "installed", "p_command_id": None}
        await self.store.call("keep_certificate", arguments, scope=SYSTEM)

    async def obstacle(self, *nodes: dict[str, Any]) -> bool:
        """Whether the root stands in the way of TLS."""
        for number, stats in enumerate(nodes):
            arguments = {"p_node": f"n{number}", "p_started": True, "p_stats": stats}
            await self.store.call("beat_node", arguments, scope=SYSTEM)
        told = await self.store.call("charger_security", {"p_charger_id": "CP-1"}, scope=SYSTEM)
        return "root_certificate" in told["obstacles"]["2"]


@pytest.fixture(params=TRANSPORTS)
async def site(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Site]:
    """The charger CP-1, over either transport."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as store:
        [cpo] = await store.insert("cpos", [{"name": "C"}], scope=SYSTEM)
        await store.insert("chargers", [{"id": "CP-1", "cpo_id": cpo["id"]}], scope=SYSTEM, columns="id")
        yield Site(store)


def listed(authority: Authority, algorithm: str, **members: Any) -> dict[str, Any]:
    """A root as the charger's own list names it."""
    row = signing.describe(KIND, authority.certificate)
    hashes = signing.root_hashes(authority.certificate)[algorithm]
    return {"kind": KIND, "serial_number": "00" + row["serial_number"].upper(), "hash_algorithm": algorithm,
            "issuer_name_hash": hashes["name"].upper(), "issuer_key_hash": hashes["key"].upper()} | members  # fmt: skip


async def test_any_root_let_a_charger_up(site: Site) -> None:
    await site.install(signing.describe(KIND, Authority("Foreign").certificate))
    assert await site.obstacle(tell(OTHER.pem))
    await site.install(signing.describe(KIND, OTHER.certificate))
    assert not await site.obstacle(tell(OTHER.pem))


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
async def test_a_root_is_known_by_what_the_chargers_list_says_of_it(site: Site, algorithm: str) -> None:
    await site.install(listed(OTHER, algorithm, issuer_key_hash="00"))
    assert await site.obstacle(tell(OTHER.pem))
    await site.store.delete("certificates", scope=SYSTEM, where=[("charger_id", "eq", "CP-1")], columns="id")
    await site.install(listed(OTHER, algorithm))
    assert not await site.obstacle(tell(OTHER.pem))


async def test_every_root_of_every_server_is_needed(site: Site) -> None:
    await site.install(signing.describe(KIND, OTHER.certificate))
    second = Authority("Second")
    assert await site.obstacle(tell(OTHER.pem, second.pem))
    assert not await site.obstacle(tell(OTHER.pem))
    assert await site.obstacle(tell(OTHER.pem), tell(second.pem))
    assert await site.obstacle(tell(OTHER.pem), {"tls_port": 1}), "a server that tells nothing"
    assert not await site.obstacle(tell(OTHER.pem), {}), "a server without TLS"


async def test_a_root_that_has_ended_is_none(site: Site) -> None:
    ended = Authority("Ended", lasts=timedelta(hours=1))
    await site.install(signing.describe(KIND, ended.certificate))
    assert await site.obstacle(tell(ended.pem))


async def test_the_next_root_to_give_is_one_that_is_missing_and_known(site: Site) -> None:
    async def next_root() -> Any:
        return await site.store.call("port_root", {"p_charger_id": "CP-1"}, scope=SYSTEM)

    assert await next_root() is None
    await site.install(signing.describe(KIND, OTHER.certificate))
    second = Authority("Second")
    await site.obstacle(tell(OTHER.pem, leaf() + ISSUING.pem, second.pem))
    assert (await next_root())["pem"] == pem(second.certificate)
    await site.install(signing.describe(KIND, second.certificate))
    assert await next_root() == {"pem": None, "issuer": "CN=UNIEV Root CA,O=UNIEV"}
    await site.obstacle(tell(OTHER.pem))
    assert (await next_root())["pem"] == OTHER.pem
