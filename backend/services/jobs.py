"""What jobs that move files have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.configuration import check_links
from backend.services.commands import Delivery
from backend.services.records import Record


class Progress(Record):
    """One report of a charger about a job."""

    at: datetime = Field(description="When it came (UTC).")
    status: str = Field(description="Status in the words of OCPP.")


async def create_job(
    database: Database, caller: Caller, charger_id: str, action: str, payload: Mapping[str, Any],
    facts: Mapping[str, Any], delivery: Delivery,
) -> str:  # fmt: skip
    """Command, job and link in one transaction; returns the job's id. The same idempotency key gives the same job.

    Raises NotFound, ChargerOffline, Conflict (`idempotency_conflict`), InvalidInput (a hidden password in a URL).
    """
    check_links(payload)
    arguments = {
        "p_charger_id": charger_id,
        "p_action": action,
        "p_payload": dict(payload),
        "p_facts": dict(facts),
        "p_idempotency_key": delivery.idempotency_key or str(uuid4()),
        "p_queue": delivery.queue,
        "p_expires_in_s": delivery.lifetime_s,
        "p_requested_by_name": caller.name,
    }
    return str(await database.call("create_job", arguments, scope=caller.scope))
