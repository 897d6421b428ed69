"""The authority's keys: made once, shared by all processes through the database, sealed by the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.database import SYSTEM, Database
from backend.domain.errors import Conflict, DomainError
from backend.services.pki import signing
from backend.services.pki.signing import Signer
from backend.services.vault import SealedElsewhere, Vault

_COLUMNS = "root_pem,root_key,issuing_pem,issuing_key"


class AuthoritySealed(DomainError):
    """The authority's keys were sealed with another UNIEV_SECRET_KEY."""

    code = "authority_sealed"
    status = 503


@dataclass(frozen=True, slots=True)
class ServerPair:
    """A server certificate with its chain, and its key, both PEM."""

    chain_pem: str
    key_pem: str


class Authority:
    """The platform's certificate authority. All raise AuthoritySealed, DatabaseUnavailable."""

    def __init__(self, database: Database, vault: Vault, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._now = now
        self._kept: tuple[Signer, Signer] | None = None

    async def root_pem(self) -> str:
        """The root certificate, which chargers and people may have."""
        return (await self._signers())[0].pem

    async def trusted_pem(self) -> str:
        """What client certificates rest on: the root, and the issuing one that chargers may leave out."""
        root, issuing = await self._signers()
        return root.pem + issuing.pem

    async def issuing(self) -> Signer:
        """The one that signs for chargers and servers."""
        return (await self._signers())[1]

    async def server_pairs(self, hosts: Sequence[str]) -> list[ServerPair]:
        """Fresh server certificates for these host names and addresses."""
        issuing = await self.issuing()
        signed = await asyncio.to_thread(signing.sign_server, issuing, hosts, self._now())
        return [ServerPair(signing.pem_of(one) + issuing.pem, signing.key_pem(key)) for one, key in signed]

    async def _signers(self) -> tuple[Signer, Signer]:
        if self._kept is None:
            row = await self._stored() or await self._made()
            try:
                root, issuing = self._vault.open(row["root_key"]), self._vault.open(row["issuing_key"])
            except SealedElsewhere as error:
                raise AuthoritySealed(
                    "The keys of the certificate authority were sealed with another UNIEV_SECRET_KEY: restore it."
                ) from error
            self._kept = (
                signing.read_signer(row["root_pem"], root),
                signing.read_signer(row["issuing_pem"], issuing),
            )
        return self._kept

    async def _stored(self) -> dict[str, Any] | None:
        rows = await self._database.select("certificate_authority", scope=SYSTEM, columns=_COLUMNS, limit=1)
        return rows[0] if rows else None

    async def _made(self) -> dict[str, Any]:
        """The first process makes it; whoever comes second at the same instant takes the first one's."""
        root, issuing = await asyncio.to_thread(signing.make_authority, self._now())
        row = {
            "root_pem": root.pem,
            "root_key": self._vault.seal(signing.key_pem(root.key)),
            "issuing_pem": issuing.pem,
            "issuing_key": self._vault.seal(signing.key_pem(issuing.key)),
        }
        try:
            await self._database.insert("certificate_authority", [row], scope=SYSTEM, columns="id")
        except Conflict:
            return await self._stored() or row
        return row
