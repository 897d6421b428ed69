"""Whether the process lives, and whether the platform can do its work."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from backend.api.dependencies import Services
from backend.services.readiness import CheckResult, DiskState

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = Field(default="ok", description="Always `ok`.")


class Checks(BaseModel):
    """Outcome of each check."""

    database: CheckResult = Field(description="Whether the database answers.")
    schema_version: int | None = Field(description="Version of the database schema; null if it cannot be asked.")
    ocpp_server: CheckResult = Field(description="Whether an OCPP server was heard of in the last 30 seconds.")
    disk: DiskState = Field(
        description="Room on the disk of the data directory: `ok`, `low` (below 500 MiB), `full` (below 64 MiB, fails)."
    )


class Ready(BaseModel):
    """Whether the platform can do its work."""

    status: CheckResult = Field(description="`ok` if every check is.")
    checks: Checks = Field(description="The checks.")


@router.get("/health", summary="Does the process live")
async def read_health() -> Health:
    """Never touches the database."""
    return Health()


@router.get("/ready", summary="Is the platform ready", responses={503: {"model": Ready}})
async def read_ready(services: Services, response: Response) -> Ready:
    """Answers 503 while a check fails."""
    found = await services.readiness.run()
    response.status_code = 200 if found.ready else 503
    checks = Checks(
        database=found.database,
        schema_version=found.schema_version,
        ocpp_server=found.ocpp_server,
        disk=found.disk,
    )
    return Ready(status=CheckResult.OK if found.ready else CheckResult.FAILED, checks=checks)
