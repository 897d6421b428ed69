"""Sockets that the gate would not let in any more: found when credentials change, and closed."""

from __future__ import annotations

import asyncio
import logging

from backend.domain.errors import DomainError
from backend.ocppj.connection import Connection
from backend.ocppj.gate import Admitted, Gate
from backend.ocppj.registry import Registry
from backend.services.credential_changes import Change, CredentialChanges

log = logging.getLogger(__name__)

_REASON = "The credentials of this socket hold no more."


class Dismissals:
    """Looks every `every_s` seconds for what changed (a certificate revoked, a password replaced, a profile raised, a
    charger deleted, its CPO closed), and judges the sockets of those chargers anew by what they showed at the gate.
    What it costs follows from the changes, not from the sockets."""

    def __init__(self, changes: CredentialChanges, gate: Gate, registry: Registry, every_s: float) -> None:
        self._changes, self._gate, self._registry = changes, gate, registry
        self._every_s = every_s
        self._admitted: dict[str, Admitted] = {}  # charger_id → what its newest socket showed
        self._judged: set[tuple[Change, str]] = set()  # changes are told for a minute; each counts once for a socket
        self._dismissed: list[Connection] = []  # at the last look; who has not gone by the next one is not asked again

    def opened(self, connection: Connection, admitted: Admitted) -> None:
        """A socket that has been let in, the charger's newest."""
        self._admitted[connection.charger_id] = admitted

    def closed(self, connection: Connection) -> None:
        """A socket that the registry holds no more."""
        if self._registry.get(connection.charger_id) is None:
            self._admitted.pop(connection.charger_id, None)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            try:
                await self._look()
            except DomainError as error:
                log.warning("not known whose credentials changed: %s", error.detail)
            await asyncio.sleep(self._every_s)

    async def _look(self) -> None:
        for connection in self._dismissed:
            connection.socket.abort()
        self._dismissed.clear()
        changes = await self._changes.take()
        held = [(change, one) for change in changes if (one := self._registry.get(change.charger_id)) is not None]
        new = [(change, one) for change, one in held if (change, one.connection_id) not in self._judged]
        await asyncio.gather(*(self._judge(one) for _, one in new))
        self._judged = {(change, one.connection_id) for change, one in held}

    async def _judge(self, connection: Connection) -> None:
        admitted = self._admitted[connection.charger_id]
        if not await self._gate.holds(admitted) and not connection.closed:
            log.info("%s: %s", connection.charger_id, _REASON)
            self._dismissed.append(connection)
            connection.dismiss(_REASON)
