"""The sockets this server holds: at most one per charger, the newest."""

from __future__ import annotations

from collections.abc import Iterator

from backend.ocppj.connection import Connection


class Registry:
    """charger_id → its connection. Chargers that reconnect before we noticed the old socket's end replace it."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}

    def add(self, connection: Connection) -> None:
        """The newest socket wins; the one before is closed."""
        old = self._connections.get(connection.charger_id)
        self._connections[connection.charger_id] = connection
        if old is not None:
            old.socket.close(1000, "A newer connection of this charger has taken over.")

    def remove(self, connection: Connection) -> None:
        """Forgets a connection, unless a newer one has its place."""
        if self._connections.get(connection.charger_id) is connection:
            del self._connections[connection.charger_id]

    def get(self, charger_id: str) -> Connection | None:
        """The charger's open connection, if this server holds it; one that is closing is not open."""
        connection = self._connections.get(charger_id)
        return None if connection is None or connection.is_going else connection

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections.values()))

    def __len__(self) -> int:
        return len(self._connections)
