"""What a CPO keeps of its revenue, the EMSV's minimum fees, and how often is settled: from one day to another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import uuid4

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.scope import Scope
from backend.services.cpos import Cpos
from backend.services.records import Page, PageRequest, Record, select_page


class SettlementCycle(StrEnum):
    """How often a CPO is paid."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class RevenueShare(Record):
    """A share and the days that it holds."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str = Field(description="The CPO.")
    valid_from: date = Field(description="First day (Jakarta).")
    valid_until: date | None = Field(description="First day that it does not hold any more; null: open.")
    cpo_percent: Decimal = Field(description="What the CPO keeps, in percent; the EMSV gets the rest.")
    session_minimum_fee: Decimal = Field(description="Least that the EMSV gets of a session, IDR.")
    month_minimum_fee: Decimal = Field(description="Least that the EMSV gets of a month, IDR.")
    settlement_cycle: SettlementCycle = Field(description="`daily`, `weekly` or `monthly`.")
    note: str | None = Field(description="Why.")
    created_by_name: str = Field(description="Who set it.")
    created_at: datetime = Field(description="When it was set (UTC).")


@dataclass(frozen=True, slots=True)
class Terms:
    """What shall hold from a day on; `valid_until` None: until further notice."""

    valid_from: date
    valid_until: date | None
    cpo_percent: Decimal
    session_minimum_fee: Decimal
    month_minimum_fee: Decimal
    settlement_cycle: SettlementCycle
    note: str | None


DEFAULT_CPO_PERCENT: Final = Decimal(90)
"""Where nothing is set."""


class RevenueShares:
    """Reads and sets shares."""

    def __init__(self, database: Database, cpos: Cpos) -> None:
        self._database = database
        self._cpos = cpos

    async def list(self, scope: Scope, page: PageRequest, cpo_id: str) -> Page[RevenueShare]:
        """The newest first. Raises NotFound (`cpo_not_found`), also for a foreign CPO."""
        await self._cpos.get(scope, cpo_id)
        where = [("cpo_id", "eq", cpo_id)]
        order = [("valid_from", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "revenue_shares", RevenueShare, page, scope=scope, where=where, order=order
        )

    async def set(self, caller: Caller, cpo_id: str, terms: Terms) -> RevenueShare:
        """Sets what holds from a day on; one that is open until then ends there.

        Raises NotFound (`cpo_not_found`), InvalidInput (`revenue_share_past`), Conflict (`revenue_share_conflict`).
        """
        share_id = str(uuid4())
        share = {name: None if value is None else str(value) for name, value in asdict(terms).items()}
        named = {"id": share_id, "cpo_id": cpo_id, "created_by_name": caller.name}
        await self._database.call("set_revenue_share", {"p_share": {**share, **named}}, scope=caller.as_platform)
        where = [("id", "eq", share_id)]
        rows = await self._database.select(
            "revenue_shares", scope=caller.as_platform, columns=RevenueShare.columns(), where=where, limit=1
        )
        return RevenueShare.model_validate(rows[0])

    async def withdraw(self, caller: Caller, cpo_id: str, share_id: str) -> None:
        """Takes back one that has not begun. Raises NotFound (`revenue_share_not_found`), InvalidInput."""
        arguments = {"p_cpo_id": cpo_id, "p_id": share_id}
        await self._database.call("withdraw_revenue_share", arguments, scope=caller.as_platform)
