"""Campaigns: one change over many chargers, in waves."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from backend.api.bodies import Body, Identity, Name, ShortText, Uuid, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.campaigns import (
    Campaign,
    CampaignKind,
    CampaignState,
    Candidate,
    DryRun,
    Target,
    TargetState,
)

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])
Reader = Annotated[Caller, Depends(allow(Permission.CAMPAIGNS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CAMPAIGNS_WRITE))]

Pattern = Annotated[str, Field(min_length=1, max_length=120)]
Share = Annotated[Decimal, Field(gt=0, le=1, max_digits=5, decimal_places=4)]


class WantedChargers(Body):
    """Which chargers of the CPO are meant; without any member, all of them."""

    station_ids: list[Uuid] = Field(
        default_factory=list, max_length=1000, description="Those at one of these stations."
    )
    charger_ids: list[Identity] = Field(
        default_factory=list, max_length=5000, description="Those with these identities."
    )
    vendor: Pattern | None = Field(default=None, description="Vendor; `*` stands for any text, case does not matter.")
    model: Pattern | None = Field(default=None, description="Model, likewise.")
    firmware_version: Pattern | None = Field(default=None, description="Firmware version, likewise.")
    tag: Annotated[str, Field(min_length=1, max_length=50)] | None = Field(default=None, description="Tag they bear.")


class CampaignParameters(Body):
    """With what it is done; which members depends on the kind."""

    template_id: Uuid = Field(default_factory=absent, description="Configuration template to switch on.")
    firmware_file_id: Uuid = Field(default_factory=absent, description="Firmware file of the platform.")
    location: Annotated[str, Field(min_length=1, max_length=1000)] = Field(
        default_factory=absent, description="Address of firmware elsewhere (URL)."
    )
    version: ShortText = Field(default_factory=absent, description="Version that the firmware at `location` will tell.")


class NewCampaign(Body):
    """A draft."""

    name: Name = Field(description="Name for people; the commands bear it as the name of who asked.")
    kind: CampaignKind = Field(description="What is done.")
    parameters: CampaignParameters = Field(
        default_factory=CampaignParameters,
        description="`configuration_template`: `template_id`. `firmware_update`: `firmware_file_id`, or `location` and "
        "`version`. `password_rotation`: none.",
    )
    filter: WantedChargers = Field(default_factory=WantedChargers, description="Which chargers are meant.")
    canary_size: int = Field(default=1, ge=0, le=1000, description="Chargers of the first wave; 0: no such wave.")
    wave_size: int | None = Field(default=None, ge=1, le=100_000, description="Chargers of each further wave; or:")
    wave_share: Share | None = Field(default=None, description="Share of all chargers in each further wave.")
    wave_pause_s: int = Field(default=0, ge=0, le=2_592_000, description="Pause between two waves, in seconds.")
    max_failures: int | None = Field(default=0, ge=0, description="More failures than this pause it; null: any number.")
    max_failed_share: Annotated[Decimal, Field(ge=0, le=1, max_digits=5, decimal_places=4)] | None = Field(
        default=None, description="A larger share of failures among all chargers pauses it."
    )
    only_idle: bool = Field(default=True, description="Begin at a charger only while no session runs.")
    timeout_s: int = Field(
        default=3600, ge=60, le=2_592_000, description="For a charger to be reached, and again to finish, in seconds."
    )
    cpo_id: Uuid | None = Field(default=None, description="CPO; EMSV callers must name one.")

    @model_validator(mode="after")
    def _one_measure(self) -> NewCampaign:
        if (self.wave_size is None) == (self.wave_share is None):
            raise ValueError("give either wave_size or wave_share")
        return self


class Start(Body):
    """Consent to what the dry run told."""

    expected: int | None = Field(
        default=None,
        ge=0,
        description="How many chargers it will touch; another number answers 409 `campaign_changed_conflict`.",
    )


@router.get("", summary="List campaigns")
async def list_campaigns(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    state: Annotated[CampaignState | None, Query(description="Only in this state.")] = None,
) -> ItemList[Campaign]:
    """Newest first."""
    return page.answer(await services.campaigns.list(caller.scope, page.request, state))


@router.post("", summary="Draft a campaign", status_code=201, responses=responses(404))
async def create_campaign(services: Services, caller: Writer, body: NewCampaign) -> Campaign:
    """Nothing happens before it is started. Look at the dry run first."""
    values = body.model_dump(mode="json", exclude={"cpo_id", "parameters"})
    return await services.campaigns.create(caller, {**values, "parameters": body.parameters.sent()}, body.cpo_id)


@router.get("/{campaign_id}", summary="Read a campaign", responses=responses(404))
async def read_campaign(services: Services, caller: Reader, campaign_id: UuidPath) -> Campaign:
    """One campaign with its counts."""
    return await services.campaigns.get(caller.scope, campaign_id)


@router.delete("/{campaign_id}", summary="Delete a draft", status_code=204, responses=responses(404, 409))
async def delete_campaign(services: Services, caller: Writer, campaign_id: UuidPath) -> None:
    """A campaign that was started stays as evidence (409 `campaign_state_conflict`)."""
    await services.campaigns.delete(caller, campaign_id)


@router.get("/{campaign_id}/dry-run", summary="Look at what a campaign would do", responses=responses(404))
async def dry_run_campaign(services: Services, caller: Reader, campaign_id: UuidPath) -> DryRun:
    """How many chargers would be touched now. Nothing is asked of any charger."""
    return await services.campaigns.dry_run(caller.scope, campaign_id)


@router.get("/{campaign_id}/candidates", summary="List the chargers of a dry run", responses=responses(404))
async def list_candidates(
    services: Services, caller: Reader, campaign_id: UuidPath, page: Annotated[Paging, Depends()]
) -> ItemList[Candidate]:
    """By wave, with what would change; those left out come last, with the reason."""
    return page.answer(await services.campaigns.candidates(caller.scope, page.request, campaign_id))


@router.post("/{campaign_id}/start", summary="Start a campaign", responses=responses(404, 409))
async def start_campaign(services: Services, caller: Writer, campaign_id: UuidPath, body: Start) -> Campaign:
    """Fixes the chargers and their waves, and begins. Repeated, it changes nothing."""
    return await services.campaigns.start(caller, campaign_id, body.expected)


@router.post("/{campaign_id}/pause", summary="Pause a campaign", responses=responses(404, 409))
async def pause_campaign(services: Services, caller: Writer, campaign_id: UuidPath) -> Campaign:
    """No further charger is begun at; those that have begun tell their result still."""
    return await services.campaigns.move(caller, campaign_id, CampaignState.PAUSED)


@router.post("/{campaign_id}/resume", summary="Resume a campaign", responses=responses(404, 409))
async def resume_campaign(services: Services, caller: Writer, campaign_id: UuidPath) -> Campaign:
    """Goes on where it stood; the budget of failures begins anew."""
    return await services.campaigns.move(caller, campaign_id, CampaignState.RUNNING)


@router.post("/{campaign_id}/abort", summary="Abort a campaign", responses=responses(404, 409))
async def abort_campaign(services: Services, caller: Writer, campaign_id: UuidPath) -> Campaign:
    """Ends it for good: what waits is not begun, commands that were not sent are withdrawn."""
    return await services.campaigns.move(caller, campaign_id, CampaignState.ABORTED)


@router.get("/{campaign_id}/results", summary="List results of a campaign", responses=responses(404))
async def list_results(
    services: Services,
    caller: Reader,
    campaign_id: UuidPath,
    page: Annotated[Paging, Depends()],
    state: Annotated[TargetState | None, Query(description="Only in this state.")] = None,
) -> ItemList[Target]:
    """By identity of the charger."""
    return page.answer(await services.campaigns.targets(caller.scope, page.request, campaign_id, state))
