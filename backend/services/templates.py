"""Provisioning templates: what chargers of a CPO shall be set to, and which charger each is switched on for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import MAX_ROWS, Condition, Database
from backend.domain.caller import Caller
from backend.domain.configuration import PROFILE_ELSEWHERE, is_profile, is_secret
from backend.domain.errors import Conflict, InvalidInput, NotFound
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.cpos import Cpos
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class TemplateState(StrEnum):
    """How far the last pass at a charger came."""

    WAITING = "waiting"
    READING = "reading"
    CHANGING = "changing"
    REBOOT_WAITING = "reboot_waiting"
    REBOOTING = "rebooting"
    DONE = "done"
    FAILED = "failed"


class DriftReason(StrEnum):
    """Why a key is not as the template says."""

    NOT_REPORTED = "not_reported"
    UNKNOWN_KEY = "unknown_key"
    REBOOT_REQUIRED = "reboot_required"
    READONLY = "readonly"
    DIFFERS = "differs"


class Template(Record):
    """Keys and the values they shall have."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str = Field(description="CPO whose chargers it is for.")
    name: str = Field(description="Name, unique within the CPO.")
    settings: dict[str, str] = Field(description="Configuration key → value.")
    reboot: bool = Field(description="Whether it may restart a charger when a change needs it and no session runs.")
    charger_count: int = Field(description="Chargers that it is switched on for.")
    drifting_count: int = Field(description="Those of them that differ from it, as last reported.")
    created_at: datetime = Field(description="When it was created (UTC).")
    updated_at: datetime = Field(description="Last change (UTC).")


class Drift(Record):
    """A key that is not as the template says."""

    key: str = Field(description="Name of the key.")
    wanted: str = Field(description="Value that the template wants.")
    reported: str | None = Field(description="Value as last reported.")
    reason: DriftReason = Field(
        description="`not_reported`: the charger told nothing yet; `unknown_key`: it has no such key; `readonly`: it "
        "lets nobody change it; `reboot_required`: accepted, counts after a reboot; `differs`: changed with the next "
        "boot."
    )


class ChargerTemplate(Record):
    """A template that is switched on for a charger."""

    template_id: str = Field(description="The template.")
    template_name: str = Field(description="Its name.")
    reboot: bool = Field(description="Whether it may restart the charger.")
    switched_on_at: datetime = Field(description="Since when (UTC).")
    switched_on_by: str | None = Field(description="Who switched it on.")
    state: TemplateState = Field(
        description="`waiting` for the next boot; `reading`, `changing`; `reboot_waiting` for a session to end; "
        "`rebooting`; `done`; `failed`: the charger refused, or twice did not answer."
    )
    state_at: datetime = Field(description="Since when it is in this state (UTC).")


class Provisioning(Record):
    """The template of a charger, and where the charger differs from it."""

    template: ChargerTemplate | None = Field(description="Null: none; then nothing is sent after a boot.")
    drift: list[Drift] = Field(description="Keys that are not as the template says.")


class Templates:
    """Keeps templates, and switches them on and off."""

    def __init__(self, database: Database, cpos: Cpos, chargers: Chargers) -> None:
        self._database = database
        self._cpos = cpos
        self._chargers = chargers

    async def list(self, scope: Scope, page: PageRequest, *, cpo_id: str | None = None) -> Page[Template]:
        """By name."""
        where = [*own_rows(scope), *given(("cpo_id", "eq", cpo_id))]
        order = [("name", "asc"), ("id", "asc")]
        return await select_page(
            self._database, "configuration_template_details", Template, page, scope=scope, where=where, order=order
        )

    async def get(self, scope: Scope, template_id: str) -> Template:
        """One template. Raises NotFound (`template_not_found`), also for a foreign one."""
        rows = await self._database.select(
            "configuration_template_details", scope=scope, columns=Template.columns(), where=_row(scope, template_id),
            limit=1,
        )  # fmt: skip
        if not rows:
            raise NotFound("There is no such template.", code="template_not_found")
        return Template.model_validate(rows[0])

    async def create(self, caller: Caller, values: Mapping[str, Any], cpo_id: str | None) -> Template:
        """Creates a template for the named CPO, or the caller's own.

        Raises NotFound (`cpo_not_found`), InvalidInput (`cpo_required`, `secret_key`, `profile_key`, `repeated_key`),
        Conflict (`template_exists`).
        """
        chosen = cpo_id or caller.scope.cpo_id
        if chosen is None:
            detail = "A template belongs to a CPO; say which."
            raise InvalidInput(detail, code="cpo_required", members=[("cpo_id", detail)])
        cpo = await self._cpos.get(caller.scope, chosen)
        _check_settings(values["settings"])
        row = {**values, "cpo_id": cpo.id}
        try:
            rows = await self._database.insert("configuration_templates", [row], scope=caller.scope, columns="id")
        except Conflict as error:
            raise _name_taken() from error
        return await self.get(caller.scope, rows[0]["id"])

    async def update(self, caller: Caller, template_id: str, changes: Mapping[str, Any]) -> Template:
        """Changes the given columns; chargers hear of it with their next boot.

        Raises NotFound (`template_not_found`), InvalidInput (`secret_key`, `profile_key`, `repeated_key`), Conflict
        (`template_exists`).
        """
        await self.get(caller.scope, template_id)
        _check_settings(changes.get("settings", {}))
        values = {**changes, "updated_at": "now"}
        try:
            where = _row(caller.scope, template_id)
            await self._database.update(
                "configuration_templates", values, scope=caller.scope, where=where, columns="id"
            )
        except Conflict as error:
            raise _name_taken() from error
        return await self.get(caller.scope, template_id)

    async def delete(self, caller: Caller, template_id: str) -> None:
        """Removes a template that no charger has.

        Raises NotFound (`template_not_found`), Conflict (`template_in_use`).
        """
        await self.get(caller.scope, template_id)
        try:
            await self._database.delete(
                "configuration_templates", scope=caller.scope, where=_row(caller.scope, template_id), columns="id"
            )
        except InvalidInput as error:  # a charger has it
            detail = "The template is switched on for chargers, so it stays."
            raise Conflict(detail, code="template_in_use") from error

    async def of_charger(self, scope: Scope, charger_id: str) -> Provisioning:
        """The template of a charger and its drift. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where = [("charger_id", "eq", charger_id), *own_rows(scope)]
        found = await self._database.select(
            "charger_template_details", scope=scope, columns=ChargerTemplate.columns(), where=where, limit=1
        )
        order = [("key", "asc")]
        drift = await self._database.select(
            "configuration_drift", scope=scope, columns=Drift.columns(), where=where, order=order, limit=MAX_ROWS
        )
        return Provisioning.model_validate({"template": found[0] if found else None, "drift": drift})

    async def switch(
        self, caller: Caller, charger_id: str, template_id: str | None, *, apply_now: bool = False
    ) -> Provisioning:
        """Switches a template on for a charger; None switches off. With `apply_now` the next boot is not waited for.

        Raises NotFound (`charger_not_found`; `template_not_found`, also for one of another CPO).
        """
        charger = await self._chargers.get(caller.scope, charger_id)
        before = await self.of_charger(caller.scope, charger_id)
        if template_id is None:
            where = [("charger_id", "eq", charger_id), *own_rows(caller.scope)]
            await self._database.delete("charger_templates", scope=caller.scope, where=where, columns="charger_id")
        else:
            template = await self.get(caller.scope, template_id)
            if template.cpo_id != charger.cpo_id:
                raise NotFound("The CPO of this charger has no such template.", code="template_not_found")
            if before.template is None or before.template.template_id != template.id:
                await self._switch_on(caller, charger_id, template)
        if template_id is not None and apply_now:
            arguments = {"p_charger_id": charger_id, "p_pass": str(uuid4())}
            await self._database.call("begin_template", arguments, scope=caller.scope)
        return await self.of_charger(caller.scope, charger_id)

    async def _switch_on(self, caller: Caller, charger_id: str, template: Template) -> None:
        row = {
            "charger_id": charger_id, "cpo_id": template.cpo_id, "template_id": template.id, "switched_on_at": "now",
            "switched_on_by": caller.name, "state": TemplateState.WAITING.value, "state_at": "now",
        }  # fmt: skip
        await self._database.upsert(
            "charger_templates", [row], scope=caller.scope, on=["charger_id"], columns="charger_id"
        )


def _check_settings(settings: Mapping[str, str]) -> None:
    """Secrets are kept nowhere, a profile is raised with care, and keys are compared case-insensitively."""
    secrets = [key for key in settings if is_secret(key)]
    if secrets:
        detail = "A secret cannot stand in a template, which everybody of the CPO may read."
        raise InvalidInput(detail, code="secret_key", members=[(f"settings.{key}", detail) for key in secrets])
    profiles = [(f"settings.{key}", PROFILE_ELSEWHERE) for key in settings if is_profile(key)]
    if profiles:
        raise InvalidInput(PROFILE_ELSEWHERE, code="profile_key", members=profiles)
    lowered = [key.lower() for key in settings]
    repeated = [key for key in settings if lowered.count(key.lower()) > 1]
    if repeated:
        detail = "The same key stands there twice; letter case does not matter."
        raise InvalidInput(detail, code="repeated_key", members=[(f"settings.{key}", detail) for key in repeated])


def _row(scope: Scope, template_id: str) -> list[Condition]:
    return [("id", "eq", template_id), *own_rows(scope)]


def _name_taken() -> Conflict:
    return Conflict("The CPO has a template with this name already.", code="template_exists")
