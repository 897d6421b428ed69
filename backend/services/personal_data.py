"""The rights of people who charge (UU PDP, law 27/2022): consent, a copy of their data, erasure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.scope import Scope
from backend.services.drivers import Drivers
from backend.services.records import Page, PageRequest, Record, select_page


class ConsentPurpose(StrEnum):
    """What a driver may agree to."""

    SERVICE = "service"
    CONTACT_SHARING = "contact_sharing"
    NOTIFICATIONS = "notifications"
    MARKETING = "marketing"


class ConsentMethod(StrEnum):
    """How it was said."""

    APP = "app"
    WEB = "web"
    PAPER = "paper"
    TELEPHONE = "telephone"


class Consent(Record):
    """One word of a driver: given, or withdrawn. The latest of a purpose holds."""

    id: int = Field(description="Rises with time.")
    purpose: ConsentPurpose = Field(
        description="`service` (to be served at all), `contact_sharing` (CPOs that the driver charges at may see the "
        "contact), `notifications`, `marketing`."
    )
    text_version: str = Field(description="Version of the words that the driver saw.")
    given: bool = Field(description="False: withdrawn.")
    at: datetime = Field(description="When (UTC).")
    method: ConsentMethod = Field(description="`app`, `web`, `paper` or `telephone`.")


class DriverLogin(Record):
    """The login of a driver."""

    user_id: str = Field(description="The user (UUID).")
    email: str = Field(description="E-mail address; the login name.")
    active: bool = Field(description="False: may not log in.")
    created_at: datetime = Field(description="When the driver accepted the invitation (UTC).")
    last_login_at: datetime | None = Field(description="Last login (UTC).")


class Kept(Record):
    """What is kept of a driver, in figures."""

    sessions: int = Field(description="Sessions that the driver began or ended.")
    running: int = Field(description="How many of them have not ended; while there is one, nobody is erased.")
    energy_wh: float = Field(description="Energy of these sessions, in Wh.")
    first_at: datetime | None = Field(description="When the first began (UTC).")
    last_at: datetime | None = Field(description="When the last began (UTC).")
    login: DriverLogin | None = Field(description="The driver's login; null: none.")


class Erasure(Record):
    """That a driver was erased."""

    driver_id: str = Field(description="The driver (UUID); nothing else is left of the person.")
    erased_at: datetime = Field(description="When (UTC).")


@dataclass(frozen=True, slots=True)
class Said:
    """What a driver said about one purpose."""

    purpose: ConsentPurpose
    text_version: str
    given: bool
    method: ConsentMethod


class PersonalData:
    """Consents, export and erasure. Only the EMSV's administrator and the driver get at them."""

    def __init__(self, database: Database, drivers: Drivers, now: Callable[[], datetime]) -> None:
        self._database = database
        self._drivers = drivers
        self._now = now

    async def consents(self, scope: Scope, driver_id: str, page: PageRequest) -> Page[Consent]:
        """Everything that was said, latest first. Raises NotFound (`driver_not_found`)."""
        await self._drivers.get(scope, driver_id)
        return await select_page(
            self._database, "driver_consents", Consent, page, scope=scope,
            where=[("driver_id", "eq", driver_id)], order=[("id", "desc")],
        )  # fmt: skip

    async def say(self, caller: Caller, driver_id: str, said: Said) -> Consent:
        """Records a consent or its end; the same words twice are one. Raises NotFound (`driver_not_found`)."""
        row = await self._database.call(
            "record_consent",
            {
                "p_driver_id": driver_id,
                "p_purpose": said.purpose.value,
                "p_text_version": said.text_version,
                "p_given": said.given,
                "p_method": said.method.value,
                "p_recorded_by_name": caller.name,
            },
            scope=caller.scope,
        )
        return Consent.model_validate(row)

    async def kept(self, scope: Scope, driver_id: str) -> Kept:
        """What there is, in figures. Raises NotFound (`driver_not_found`)."""
        return Kept.model_validate(await self._database.call("driver_figures", {"p_driver_id": driver_id}, scope=scope))

    async def export(self, caller: Caller, driver_id: str) -> dict[str, Any]:
        """All that is kept of a driver, by table. Raises NotFound (`driver_not_found`)."""
        data = await self._database.call("export_driver", {"p_driver_id": driver_id}, scope=caller.scope)
        return {"driver_id": driver_id, "exported_at": self._now().isoformat(), "data": data}

    async def erase(self, caller: Caller, driver_id: str) -> Erasure:
        """Erases a driver; once done, nothing changes. Raises NotFound, Conflict (`driver_busy`)."""
        at = await self._database.call("erase_driver", {"p_driver_id": driver_id}, scope=caller.scope)
        return Erasure(driver_id=driver_id, erased_at=at)
