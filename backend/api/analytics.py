"""Overviews for dashboards."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from backend.api.dependencies import Services, allow
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.analytics import DayEnergy, Overview

router = APIRouter(prefix="/api/analytics", tags=["analytics"])
Reader = Annotated[Caller, Depends(allow(Permission.ANALYTICS_READ))]


class EnergyDays(BaseModel):
    """Energy by day."""

    items: list[DayEnergy] = Field(description="Days, oldest first, days without sessions included.")


@router.get("/dashboard", summary="Read the overview")
async def read_dashboard(
    services: Services,
    caller: Reader,
    stations: Annotated[bool, Query(description="With the list of stations, which grows with the fleet.")] = True,
) -> Overview:
    """Counts of now and today: of your CPO, or of the nation for EMSV staff."""
    return await services.analytics.dashboard(caller.scope, stations=stations)


@router.get("/energy", summary="Read energy by day")
async def read_energy(
    services: Services,
    caller: Reader,
    days: Annotated[int, Query(ge=1, le=366, description="Days to read, today included.")] = 7,
) -> EnergyDays:
    """Energy and sessions of the last days, counted on the day a session ended."""
    return EnergyDays(items=await services.analytics.energy(caller.scope, days))
