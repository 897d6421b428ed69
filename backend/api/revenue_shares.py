"""What a CPO keeps of its revenue, from one day to another."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, ShortText, UuidPath
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.revenue_shares import DEFAULT_CPO_PERCENT, RevenueShare, SettlementCycle, Terms

router = APIRouter(prefix="/api/cpo/{cpo_id}/revenue-shares", tags=["onboarding"])
Reader = Annotated[Caller, Depends(allow(Permission.REVENUE_SHARES_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.REVENUE_SHARES_WRITE))]

Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
Money = Annotated[Decimal, Field(ge=0, le=Decimal(1_000_000_000), max_digits=15, decimal_places=2)]
Day = Annotated[date, Field(ge=date(2020, 1, 1), le=date(2199, 12, 31))]


class NewRevenueShare(Body):
    """What shall hold from a day on."""

    valid_from: Day = Field(description="First day (Jakarta), today or later.")
    valid_until: Day | None = Field(default=None, description="First day that it does not hold any more; null: open.")
    cpo_percent: Percent = Field(default=DEFAULT_CPO_PERCENT, description="What the CPO keeps, in percent.")
    session_minimum_fee: Money = Field(default=Decimal(0), description="Least that the EMSV gets of a session, IDR.")
    month_minimum_fee: Money = Field(default=Decimal(0), description="Least that the EMSV gets of a month, IDR.")
    settlement_cycle: SettlementCycle = Field(
        default=SettlementCycle.MONTHLY, description="`daily`, `weekly` or `monthly`."
    )
    note: ShortText | None = Field(default=None, description="Why.")

    def terms(self) -> Terms:
        """As the service takes it."""
        return Terms(
            self.valid_from, self.valid_until, self.cpo_percent, self.session_minimum_fee, self.month_minimum_fee,
            self.settlement_cycle, self.note,
        )  # fmt: skip


@router.get("", summary="List the revenue shares of a CPO", responses=responses(404))
async def list_revenue_shares(
    services: Services, caller: Reader, cpo_id: UuidPath, page: Annotated[Paging, Depends()]
) -> ItemList[RevenueShare]:
    """The newest first. On days without one the CPO keeps 90 percent and is settled monthly."""
    return page.answer(await services.desk.revenue_shares.list(caller.scope, page.request, cpo_id))


@router.post("", summary="Set a revenue share", status_code=201, responses=responses(404, 409))
async def set_revenue_share(
    services: Services, caller: Writer, cpo_id: UuidPath, body: NewRevenueShare
) -> RevenueShare:
    """An open one ends the day before. No two overlap: 409 `revenue_share_conflict`."""
    return await services.desk.revenue_shares.set(caller, cpo_id, body.terms())


@router.delete("/{share_id}", summary="Withdraw a revenue share", status_code=204, responses=responses(404))
async def withdraw_revenue_share(services: Services, caller: Writer, cpo_id: UuidPath, share_id: UuidPath) -> None:
    """One that has not begun; what it had cut off is open again."""
    await services.desk.revenue_shares.withdraw(caller, cpo_id, share_id)
