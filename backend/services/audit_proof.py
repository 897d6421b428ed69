"""Proves that the audit log is what was written: no row removed, changed or moved since.

Each chain's rows rest on each other by hash, and the end of a chain is kept apart. Whoever owns the database could
rewrite both: against that, keep the ends that `verify` returns somewhere else and give them to it next time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from backend.database import SYSTEM, Database

_STEP: Final = 2000
MOST_FAULTS: Final = 100
PLATFORM_CHAIN: Final = "00000000-0000-0000-0000-000000000000"


class End(NamedTuple):
    """The last row of a chain: its place and hash."""

    seq: int
    hash: str


class Fault(NamedTuple):
    """What does not hold. `seq`: the place in the chain; `fault`: what is wrong there."""

    chain: str
    seq: int
    fault: str


class Proof(NamedTuple):
    """The result: rows checked, chains with their ends, faults (at most MOST_FAULTS)."""

    checked: int
    ends: dict[str, End]
    faults: list[Fault]


class AuditProof:
    """Recomputes the chains. Reads only; may run while the platform works."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def verify(self, anchors: Mapping[str, End] | None = None) -> Proof:
        """`anchors`: ends that an earlier proof returned; each must still stand in its chain, unless pruned since."""
        checked, ends, faults = 0, {}, []
        found: list[dict[str, Any]] = await self._database.call("audit_ends", scope=SYSTEM)
        for row in found:
            ends[row["chain"]] = End(row["seq"] or 0, row["hash"] or "")
            rows, wrong = await self._chain(row)
            checked += rows
            faults += wrong
        for chain, anchor in (anchors or {}).items():
            faults += await self._anchor(chain, anchor, next((row for row in found if row["chain"] == chain), None))
        return Proof(checked, ends, faults[:MOST_FAULTS])

    async def _chain(self, row: dict[str, Any]) -> tuple[int, list[Fault]]:
        chain, until = row["chain"], row["seq"]
        if until is None:
            return 0, [Fault(chain, row["last_seq"] or 0, "the kept end of this chain is gone")]
        faults = [Fault(chain, row["last_seq"], "a row beyond the end")] if (row["last_seq"] or 0) > until else []
        if row["unchained"]:
            faults.append(Fault(chain, until, f"{row['unchained']} rows that were never chained"))
        checked, seq, digest = 0, row["base_seq"], row["base_hash"]
        while seq < until and len(faults) < MOST_FAULTS:
            arguments = {"p_chain": chain, "p_after": seq, "p_hash": digest, "p_until": until, "p_limit": _STEP}
            part = await self._database.call("check_audit", arguments, scope=SYSTEM)
            faults += [Fault(chain, fault["seq"], fault["fault"]) for fault in part["faults"]]
            if not part["checked"]:
                break
            checked, seq, digest = checked + part["checked"], part["seq"], part["hash"]
        faults += [Fault(chain, lost, "missing") for lost in range(seq + 1, min(until, seq + MOST_FAULTS) + 1)]
        if seq == until and digest != row["hash"]:
            faults.append(Fault(chain, until, "not the end that is kept"))
        return checked, faults

    async def _anchor(self, chain: str, anchor: End, row: dict[str, Any] | None) -> list[Fault]:
        if row is None:
            return [Fault(chain, anchor.seq, "the chain is gone")]
        if anchor.seq < row["base_seq"]:
            return []  # pruned since
        if anchor.seq == row["base_seq"]:
            found = row["base_hash"]
        else:
            where = [("chain", "eq", chain), ("seq", "eq", anchor.seq)]
            rows = await self._database.select("audit_log", scope=SYSTEM, columns="hash", where=where, limit=1)
            found = rows[0]["hash"] if rows else None
        return [] if found == anchor.hash else [Fault(chain, anchor.seq, "not what the anchor says")]
