"""Brings every sealed secret under today's UNIEV_SECRET_KEY, so that a former key can be thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from backend.database import SYSTEM, Database, Row
from backend.services.vault import Vault

_AT_ONCE: Final = 200


class SealedColumns(NamedTuple):
    """Columns of a table that hold texts sealed by the vault (null: none), and its key."""

    table: str
    key: str
    columns: tuple[str, ...]


SEALED: Final[tuple[SealedColumns, ...]] = (
    SealedColumns("certificate_authority", "id", ("root_key", "issuing_key")),
    SealedColumns("users", "id", ("totp_sealed",)),
    SealedColumns("sso_flows", "state_hash", ("content_sealed",)),
    SealedColumns("mails", "id", ("content_sealed",)),
)
"""All of them: a column whose name ends in `_sealed` and that is missing here fails a test."""


async def reseal(database: Database, vault: Vault, *, where: Sequence[SealedColumns] = SEALED) -> dict[str, int]:
    """Reseals what is not under the current key; returns rows changed by table. May run while the platform works.

    Raises SealedElsewhere at the first text that no known key opens; what was resealed until then stays so.
    """
    return {sealed.table: await _reseal_table(database, vault, sealed) for sealed in where}


async def _reseal_table(database: Database, vault: Vault, sealed: SealedColumns) -> int:
    columns = ",".join((sealed.key, *sealed.columns))
    after, changed = None, 0
    while True:
        rows = await database.select(
            sealed.table, scope=SYSTEM, columns=columns, order=[(sealed.key, "asc")], after=after, limit=_AT_ONCE
        )
        for row in rows:
            changed += await _reseal_row(database, vault, sealed, row)
        if len(rows) < _AT_ONCE:
            return changed
        after = [rows[-1][sealed.key]]


async def _reseal_row(database: Database, vault: Vault, sealed: SealedColumns, row: Row) -> int:
    """1 if the row was changed. Whoever changed it meanwhile has sealed it anew already: then nothing is done."""
    old = {name: row[name] for name in sealed.columns if row[name] is not None and not vault.is_current(row[name])}
    if not old:
        return 0
    new = {name: vault.seal(vault.open(text)) for name, text in old.items()}
    same = [(name, "eq", text) for name, text in old.items()]
    where = [(sealed.key, "eq", row[sealed.key]), *same]
    return len(await database.update(sealed.table, new, scope=SYSTEM, where=where, columns=sealed.key))
