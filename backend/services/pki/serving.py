"""Where the OCPP port's own certificates come from: files of the operator, or the platform's authority."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from backend.domain.errors import InvalidInput
from backend.services.pki.authority import Authority, ServerPair

_REISSUE_AFTER: Final = timedelta(days=30)


class PairSource(Protocol):
    """Gives server certificates, one per kind of key."""

    async def fresh(self) -> list[ServerPair] | None:
        """The certificates to serve from now on; None when those given last are still the right ones."""
        ...


class IssuedPairs:
    """Certificates of the platform's authority for these host names; new ones every thirty days."""

    def __init__(self, authority: Authority, hosts: Sequence[str], now: Callable[[], datetime]) -> None:
        self._authority, self._hosts, self._now = authority, hosts, now
        self._issued_at: datetime | None = None

    async def fresh(self) -> list[ServerPair] | None:
        """See PairSource. Raises what Authority raises."""
        if self._issued_at is not None and self._now() - self._issued_at < _REISSUE_AFTER:
            return None
        pairs = await self._authority.server_pairs(self._hosts)
        self._issued_at = self._now()
        return pairs


def listed(text: str | None) -> list[str]:
    """What a setting names with commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


class FilePairs:
    """The operator's own PEM files: `certificates[i]` (with chain) belongs to `keys[i]`. Changed files are taken up."""

    def __init__(self, certificates: Sequence[str], keys: Sequence[str]) -> None:
        if not certificates or len(certificates) != len(keys):
            raise InvalidInput("UNIEV_OCPP_TLS_CERT and UNIEV_OCPP_TLS_KEY must name as many files as each other.")
        self._files = [(Path(certificate), Path(key)) for certificate, key in zip(certificates, keys, strict=True)]
        self._given: list[ServerPair] = []

    @classmethod
    def named(cls, certificates: str | None, keys: str | None) -> FilePairs | None:
        """Those that the settings name; None if they name none."""
        return cls(listed(certificates), listed(keys)) if certificates or keys else None

    async def fresh(self) -> list[ServerPair] | None:
        """See PairSource. Raises InvalidInput for files that cannot be read."""
        pairs = await asyncio.to_thread(self._read)
        if pairs == self._given:
            return None
        self._given = pairs
        return pairs

    def _read(self) -> list[ServerPair]:
        try:
            return [ServerPair(chain.read_text("ascii"), key.read_text("ascii")) for chain, key in self._files]
        except (OSError, UnicodeError) as error:
            raise InvalidInput(f"The TLS certificate of the OCPP port cannot be read: {error}") from error
