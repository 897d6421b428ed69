"""Rules for what a known firmware says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, Name, ShortText, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.normalising import TREATMENTS, Rule
from backend.domain.quirks import Quirk
from backend.domain.roles import Permission
from backend.services.normalising_rules import NormalisingRule, RulePreview

router = APIRouter(prefix="/api/normalising-rules", tags=["quirks"])
Reader = Annotated[Caller, Depends(allow(Permission.RULES_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.RULES_WRITE))]

Pattern = Annotated[str, Field(min_length=1, max_length=120)]
TreatmentName = Annotated[str, Field(json_schema_extra={"enum": list(TREATMENTS)}, max_length=60)]
Position = Annotated[int, Field(ge=0, le=10_000)]
Treated = Literal["Authorize", "MeterValues", "StartTransaction", "StatusNotification", "StopTransaction"]
_PARAMETERS = (
    "`energy_factor`: `factor`, `members` (`readings`, `registers`, `both`). `ignore_phases`: `phases`. "
    "`clock_offset`: `seconds`. `clock_zone`: `timezone`. `status_map`, `error_code_map`: `map`. "
    "`token_prefix`: `prefix`."
)


class NewRule(Body):
    """A rule to add."""

    name: Name = Field(description="What it mends, for people.")
    vendor_pattern: Pattern = Field(default="*", description="Vendors it is for; `*` stands for any text.")
    model_pattern: Pattern = Field(default="*", description="Models it is for.")
    firmware_pattern: Pattern = Field(default="*", description="Firmware versions it is for.")
    quirk: Quirk = Field(description="The deviation it mends.")
    treatment: TreatmentName = Field(description="What is done.")
    parameters: dict[str, Any] = Field(description=_PARAMETERS)
    position: Position = Field(default=100, description="Rules that fit one charger apply in ascending order.")
    enabled: bool = Field(default=True, description="Whether it is in force.")
    source: ShortText | None = Field(default=None, description="Where the deviation is told of.")


class RuleChanges(Body):
    """What to change; members left out stay as they are."""

    name: Name = Field(default_factory=absent, description="What it mends, for people.")
    vendor_pattern: Pattern = Field(default_factory=absent, description="Vendors it is for.")
    model_pattern: Pattern = Field(default_factory=absent, description="Models it is for.")
    firmware_pattern: Pattern = Field(default_factory=absent, description="Firmware versions it is for.")
    quirk: Quirk = Field(default_factory=absent, description="The deviation it mends.")
    treatment: TreatmentName = Field(default_factory=absent, description="What is done.")
    parameters: dict[str, Any] = Field(default_factory=absent, description=_PARAMETERS)
    position: Position = Field(default_factory=absent, description="Its place among the rules of one charger.")
    enabled: bool = Field(default_factory=absent, description="Whether it is in force.")
    source: ShortText | None = Field(default=None, description="Where the deviation is told of.")


class Trial(Body):
    """A rule that does not exist yet, and what a charger said."""

    vendor_pattern: Pattern = Field(default="*", description="Vendors it is for; `*` stands for any text.")
    model_pattern: Pattern = Field(default="*", description="Models it is for.")
    firmware_pattern: Pattern = Field(default="*", description="Firmware versions it is for.")
    treatment: TreatmentName = Field(description="What is done.")
    parameters: dict[str, Any] = Field(description=_PARAMETERS)
    action: Treated = Field(description="The message.")
    payload: dict[str, Any] = Field(description="Its payload, in OCPP member names.")


@router.get("", summary="List normalising rules")
async def list_rules(
    services: Services, caller: Reader, page: Annotated[Paging, Depends()]
) -> ItemList[NormalisingRule]:
    """In the order in which they apply."""
    return page.answer(await services.normalising_rules.list(caller.scope, page.request))


@router.post("", summary="Add a normalising rule", status_code=201)
async def create_rule(services: Services, caller: Writer, body: NewRule) -> NormalisingRule:
    """Chargers whose vendor, model and firmware fit are treated so within ten seconds. EMSV administrators only.

    What a charger says stays in the message log as it was. A rule that is changed while a charger repeats a message can
    make the repetition look new: change rules of energy and time when no session runs.
    """
    return await services.normalising_rules.create(caller, body.model_dump(mode="json"))


@router.post("/preview", summary="See what a rule would do")
async def preview_rule(services: Services, caller: Reader, body: Trial) -> RulePreview:
    """One payload as the platform would read it under this rule, and how many chargers the rule would concern.

    Nothing is stored or sent.
    """
    patterns = (body.vendor_pattern, body.model_pattern, body.firmware_pattern)
    rule = Rule("preview", *patterns, body.treatment, body.parameters)
    return await services.normalising_rules.preview(caller.scope, rule, body.action, body.payload)


@router.put("/{rule_id}", summary="Change or disable a normalising rule", responses=responses(404))
async def update_rule(services: Services, caller: Writer, rule_id: UuidPath, body: RuleChanges) -> NormalisingRule:
    """Changes the members that are sent. EMSV administrators only."""
    return await services.normalising_rules.update(caller, rule_id, body.sent())


@router.delete("/{rule_id}", summary="Delete a normalising rule", status_code=204, responses=responses(404, 409))
async def delete_rule(services: Services, caller: Writer, rule_id: UuidPath) -> None:
    """One that came with the platform answers 409 `rule_shipped`: disable it. EMSV administrators only."""
    await services.normalising_rules.delete(caller, rule_id)
