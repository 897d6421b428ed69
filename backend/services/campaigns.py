"""Campaigns: one change over many chargers, in waves, with a dry run, a budget of failures and a result for each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, Field

from backend.database import SYSTEM, Database
from backend.domain.caller import Caller
from backend.domain.configuration import check_links, hide_links
from backend.domain.errors import Conflict, InvalidInput, NotFound
from backend.domain.scope import Scope
from backend.services.cpos import Cpos
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class CampaignKind(StrEnum):
    """What is done; the database knows how (`private.campaign_kinds`)."""

    CONFIGURATION_TEMPLATE = "configuration_template"
    FIRMWARE_UPDATE = "firmware_update"
    PASSWORD_ROTATION = "password_rotation"


PARAMETERS: Final[Mapping[CampaignKind, tuple[frozenset[str], ...]]] = {
    CampaignKind.CONFIGURATION_TEMPLATE: (frozenset({"template_id"}),),
    CampaignKind.FIRMWARE_UPDATE: (frozenset({"firmware_file_id"}), frozenset({"location", "version"})),
    CampaignKind.PASSWORD_ROTATION: (frozenset(),),
}
"""Which parameters a kind takes: one of these sets."""


class CampaignState(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    FINISHED = "finished"


class TargetState(StrEnum):
    """Where a campaign stands at one charger."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    ABORTED = "aborted"


class CampaignFilter(BaseModel):
    """Which chargers of the CPO are meant: those for which all given members hold; without any, all."""

    station_ids: list[str] = Field(default_factory=list, description="Those at one of these stations (UUIDs).")
    charger_ids: list[str] = Field(default_factory=list, description="Those with one of these OCPP identities.")
    vendor: str | None = Field(default=None, description="Vendor; `*` stands for any text, case does not matter.")
    model: str | None = Field(default=None, description="Model, likewise.")
    firmware_version: str | None = Field(default=None, description="Firmware version, likewise.")
    tag: str | None = Field(default=None, description="Those that bear this tag.")


class Campaign(Record):
    """A change over many chargers."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str = Field(description="CPO whose chargers are meant.")
    name: str = Field(description="Name for people; the commands bear it as the name of who asked.")
    kind: CampaignKind = Field(description="What is done.")
    parameters: Annotated[dict[str, Any], AfterValidator(hide_links)] = Field(
        description="`configuration_template`: `template_id`. `firmware_update`: `firmware_file_id`, or `location` "
        "(its password hidden) and `version`. `password_rotation`: none."
    )
    filter: CampaignFilter = Field(description="Which chargers are meant.")
    canary_size: int = Field(
        description="Chargers of the first wave, taken among those that are connected and idle; 0: no such wave. The "
        "next wave follows when one of them has done it; for those that could not be reached others are taken."
    )
    wave_size: int | None = Field(description="Chargers of each further wave, if waves are counted.")
    wave_share: float | None = Field(description="Share of all chargers in each further wave, if they are measured so.")
    wave_pause_s: int = Field(description="Pause between two waves, in seconds.")
    max_failures: int | None = Field(description="More failures than this pause the campaign.")
    max_failed_share: float | None = Field(description="A larger share of failures among all chargers pauses it.")
    only_idle: bool = Field(description="Whether a charger is begun at only while no session runs.")
    timeout_s: int = Field(
        description="Time for a charger to be reached, and again to finish, in seconds. A new password is finished "
        "when the charger has connected with it; one that was only accepted (`reason`: `accepted`), or whose answer "
        "was lost (`unanswered`), is `unproven` after that time, and a failure."
    )
    state: CampaignState = Field(description="Where it stands.")
    state_reason: str | None = Field(
        description="Why it is paused or aborted: `by_hand`, which budget was used up, or `canary_unproven`: no canary "
        "has done it; resuming begins the next wave all the same."
    )
    wave: int = Field(description="The present wave, from 1; 0 before the start.")
    wave_count: int = Field(description="Number of waves; 0 before the start.")
    waiting: int = Field(description="Chargers whose turn has not come.")
    running: int = Field(description="Chargers at which it has begun.")
    succeeded: int = Field(description="Chargers that did it.")
    failed: int = Field(description="Chargers that did not.")
    skipped: int = Field(description="Chargers left out, with reasons.")
    aborted: int = Field(description="Chargers that waited when it was aborted.")
    created_by_name: str | None = Field(description="Who made it.")
    created_at: datetime = Field(description="When it was made (UTC).")
    started_at: datetime | None = Field(description="When it was started (UTC).")
    ended_at: datetime | None = Field(description="When the last charger was done with (UTC).")


class TargetBase(Record):
    """A charger of a campaign."""

    charger_id: str = Field(description="OCPP identity of the charger.")
    station_name: str | None = Field(description="Where it stands.")
    vendor: str | None = Field(description="Vendor.")
    model: str | None = Field(description="Model.")
    firmware_version: str | None = Field(description="Firmware it runs now.")
    wave: int = Field(description="Its wave; 0: left out from the beginning.")
    reason: str | None = Field(description="Why it is left out, or what went wrong; how far it is.")
    changes: list[dict[str, Any]] = Field(description="What would change, or was to: `key`, `from`, `to`.")


class Target(TargetBase):
    """The result at one charger."""

    position: int = Field(description="Its place in the order.")
    state: TargetState = Field(description="Where the campaign stands there.")
    begun_at: datetime | None = Field(description="When it began there (UTC).")
    ended_at: datetime | None = Field(description="When it ended there (UTC).")


class Candidate(TargetBase):
    """A charger in the dry run."""

    connected: bool = Field(description="Whether it is connected now.")
    busy: bool = Field(description="Whether a session runs now.")


class DryRun(BaseModel):
    """What would happen if the campaign were started now. Nothing is asked of any charger."""

    touched: int = Field(description="Chargers that would be touched.")
    skipped: int = Field(description="Chargers that the filter finds and that would be left out.")
    waves: int = Field(description="Number of waves.")
    offline: int = Field(description="Those to be touched that are not connected now.")
    busy: int = Field(description="Those to be touched with a running session.")


class Campaigns:
    """Reads and moves campaigns in the caller's scope."""

    def __init__(self, database: Database, cpos: Cpos) -> None:
        self._database = database
        self._cpos = cpos

    async def list(self, scope: Scope, page: PageRequest, state: CampaignState | None = None) -> Page[Campaign]:
        """Newest first."""
        where = [*own_rows(scope), *given(("state", "eq", state))]
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "campaign_details", Campaign, page, scope=scope, where=where, order=order
        )

    async def get(self, scope: Scope, campaign_id: str) -> Campaign:
        """One campaign. Raises NotFound (`campaign_not_found`), also for a foreign one."""
        where = [("id", "eq", campaign_id), *own_rows(scope)]
        rows = await self._database.select(
            "campaign_details", scope=scope, columns=Campaign.columns(), where=where, limit=1
        )
        if not rows:
            raise NotFound("There is no such campaign.", code="campaign_not_found")
        return Campaign.model_validate(rows[0])

    async def create(self, caller: Caller, values: Mapping[str, Any], cpo_id: str | None) -> Campaign:
        """A draft. Raises NotFound (`cpo_not_found`), InvalidInput (`cpo_required`, and parameters that do not fit)."""
        chosen = cpo_id or caller.scope.cpo_id
        if chosen is None:
            detail = "A campaign belongs to a CPO; say which."
            raise InvalidInput(detail, code="cpo_required", members=[("cpo_id", detail)])
        cpo = await self._cpos.get(caller.scope, chosen)
        _check_parameters(CampaignKind(values["kind"]), values["parameters"])
        row = {**values, "filter": _told(values["filter"]), "cpo_id": cpo.id, "created_by": caller.scope.user_id,
               "created_by_name": caller.name}  # fmt: skip
        [made] = await self._database.insert("campaigns", [row], scope=caller.scope, columns="id")
        return await self.get(caller.scope, made["id"])

    async def delete(self, caller: Caller, campaign_id: str) -> None:
        """Removes a draft. Raises NotFound (`campaign_not_found`), Conflict (`campaign_state_conflict`)."""
        before = await self.get(caller.scope, campaign_id)
        if before.state is not CampaignState.DRAFT:
            raise Conflict("Only a draft can be deleted; what ran stays as evidence.", code="campaign_state_conflict")
        await self._database.delete("campaigns", scope=caller.scope, where=[("id", "eq", campaign_id)], columns="id")

    async def dry_run(self, scope: Scope, campaign_id: str) -> DryRun:
        """Who would be touched, in how many waves. Raises NotFound (`campaign_not_found`)."""
        await self.get(scope, campaign_id)
        found = await self._preview(campaign_id, None, 0)
        return DryRun.model_validate(found)

    async def candidates(self, scope: Scope, page: PageRequest, campaign_id: str) -> Page[Candidate]:
        """The dry run's chargers, by wave; those left out come last. Raises NotFound (`campaign_not_found`)."""
        await self.get(scope, campaign_id)
        rows = (await self._preview(campaign_id, page, page.limit + 1))["items"]
        kept = rows[: page.limit]
        after = [kept[-1]["turn"], kept[-1]["place"]] if len(rows) > page.limit else None
        return Page([Candidate.model_validate(row) for row in kept], after)

    async def start(self, caller: Caller, campaign_id: str, expected: int | None) -> Campaign:
        """Fixes the chargers and begins. `expected`: how many the caller believes it will touch.

        Raises NotFound (`campaign_not_found`), Conflict (`campaign_state_conflict`,
        `campaign_empty_conflict`, `campaign_changed_conflict`).
        """
        await self.get(caller.scope, campaign_id)
        arguments = {"p_campaign_id": campaign_id, "p_expected": expected}
        await self._database.call("start_campaign", arguments, scope=caller.as_platform)
        return await self.get(caller.scope, campaign_id)

    async def move(self, caller: Caller, campaign_id: str, state: CampaignState) -> Campaign:
        """Pauses, resumes (`running`) or aborts.

        Raises NotFound (`campaign_not_found`), Conflict (`campaign_state_conflict`).
        """
        await self.get(caller.scope, campaign_id)
        arguments = {"p_campaign_id": campaign_id, "p_state": state.value}
        await self._database.call("move_campaign", arguments, scope=caller.as_platform)
        return await self.get(caller.scope, campaign_id)

    async def targets(
        self, scope: Scope, page: PageRequest, campaign_id: str, state: TargetState | None = None
    ) -> Page[Target]:
        """The results, by identity. Raises NotFound (`campaign_not_found`)."""
        await self.get(scope, campaign_id)
        where = [("campaign_id", "eq", campaign_id), *own_rows(scope), *given(("state", "eq", state))]
        return await select_page(
            self._database, "campaign_target_details", Target, page, scope=scope, where=where,
            order=[("charger_id", "asc")],
        )  # fmt: skip

    async def _preview(self, campaign_id: str, page: PageRequest | None, limit: int) -> dict[str, Any]:
        wave, place = (page.after if page else None) or (None, None)
        arguments = {"p_campaign_id": campaign_id, "p_after_wave": wave, "p_after_place": place, "p_limit": limit}
        found: dict[str, Any] = await self._database.call("preview_campaign", arguments, scope=SYSTEM)
        return found


class CampaignClock:
    """The worker's part: one step of all campaigns that live. Two workers do no harm."""

    def __init__(self, database: Database, files_url: str) -> None:
        self._database = database
        self._files_url = files_url

    async def advance(self) -> int:
        """Returns how many chargers were moved on."""
        moved: int = await self._database.call("advance_campaigns", {"p_files_url": self._files_url}, scope=SYSTEM)
        return moved


def _told(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a filter that say something."""
    return {name: value for name, value in wanted.items() if value}


def _check_parameters(kind: CampaignKind, parameters: Mapping[str, str]) -> None:
    if frozenset(parameters) not in PARAMETERS[kind]:
        ways = " or ".join(", ".join(sorted(way)) or "none" for way in PARAMETERS[kind])
        detail = f"A campaign of kind {kind} takes these parameters: {ways}."
        raise InvalidInput(detail, members=[("parameters", detail)])
    check_links(parameters)
