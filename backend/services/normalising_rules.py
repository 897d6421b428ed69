"""The table of normalising rules: what to make of what a known firmware says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from backend.database import MAX_ROWS, Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.domain.normalising import Rule, Treatment, check_parameters
from backend.domain.quirks import Quirk
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, literal, own_rows, select_page

_COMPILED = frozenset({"treatment", "parameters"})


class NormalisingRule(Record):
    """A rule of the platform, for all CPOs."""

    id: str = Field(description="Identifier (UUID).")
    name: str = Field(description="What it mends, for people.")
    vendor_pattern: str = Field(description="Vendors it is for; `*` stands for any text, case does not matter.")
    model_pattern: str = Field(description="Models it is for, likewise.")
    firmware_pattern: str = Field(description="Firmware versions it is for, likewise.")
    quirk: Quirk = Field(description="The deviation it mends.")
    treatment: str = Field(description="What is done: the name of a treatment.")
    parameters: dict[str, Any] = Field(
        description="With which figures or words; what they are depends on the treatment."
    )
    position: int = Field(description="Rules that fit one charger apply in ascending order.")
    enabled: bool = Field(description="Whether it is in force.")
    shipped: bool = Field(description="Whether it came with the platform: it can be disabled, not deleted.")
    source: str | None = Field(description="Where the deviation is told of.")
    created_by_name: str | None = Field(description="Who made it; null for one that came with the platform.")
    created_at: datetime = Field(description="When it was made (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")

    def rule(self) -> Rule:
        """What it does, ready to be asked whom it fits."""
        patterns = (self.vendor_pattern, self.model_pattern, self.firmware_pattern)
        return Rule(self.id, *patterns, self.treatment, self.parameters)


class RulePreview(BaseModel):
    """What a rule would do to one payload, and whom it would concern."""

    actions: list[str] = Field(description="Messages that the treatment concerns.")
    after: dict[str, Any] = Field(description="The payload as the platform would read it.")
    changed: bool = Field(description="Whether that differs from what was given.")
    chargers_fitting: int = Field(
        description=f"Chargers that fit now, of those the caller may see; {MAX_ROWS}: that many or more."
    )


class NormalisingRules:
    """Reads and changes the rules. OCPP servers follow a change within ten seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, scope: Scope, page: PageRequest) -> Page[NormalisingRule]:
        """In the order in which they apply."""
        order = [("position", "asc"), ("id", "asc")]
        return await select_page(
            self._database, "normalising_rules", NormalisingRule, page, scope=scope, where=[], order=order
        )

    async def get(self, scope: Scope, rule_id: str) -> NormalisingRule:
        """One rule. Raises NotFound (`rule_not_found`)."""
        rows = await self._database.select(
            "normalising_rules", scope=scope, columns=NormalisingRule.columns(), where=[("id", "eq", rule_id)], limit=1
        )
        if not rows:
            raise NotFound("There is no such rule.", code="rule_not_found")
        return NormalisingRule.model_validate(rows[0])

    async def create(self, caller: Caller, values: Mapping[str, Any]) -> NormalisingRule:
        """Adds a rule. Raises Forbidden, InvalidInput for parameters that mean nothing."""
        check_parameters(values["treatment"], values["parameters"])
        row = {**values, "created_by_name": caller.name}
        [made] = await self._database.insert(
            "normalising_rules", [row], scope=caller.scope, columns=NormalisingRule.columns()
        )
        return NormalisingRule.model_validate(made)

    async def preview(self, scope: Scope, rule: Rule, action: str, payload: dict[str, Any]) -> RulePreview:
        """Nothing is stored. Raises InvalidInput for parameters that mean nothing."""
        treatment = Treatment([rule])
        after = treatment.apply(action, payload)
        fitting = await self._fitting(scope, rule)
        return RulePreview(
            actions=sorted(treatment.actions), after=after, changed=after != payload, chargers_fitting=fitting
        )

    async def _fitting(self, scope: Scope, rule: Rule) -> int:
        patterns = {
            "vendor": rule.vendor_pattern, "model": rule.model_pattern, "firmware_version": rule.firmware_pattern,
        }  # fmt: skip
        # A pattern of stars alone takes what a charger did not tell, too.
        where = [(name, "ilike", literal(pattern)) for name, pattern in patterns.items() if pattern.strip("*")]
        rows = await self._database.select(
            "chargers", scope=scope, columns="id", where=[*where, *own_rows(scope)], limit=MAX_ROWS
        )
        return len(rows)

    async def update(self, caller: Caller, rule_id: str, changes: Mapping[str, Any]) -> NormalisingRule:
        """Changes the given columns. Raises Forbidden, NotFound (`rule_not_found`), InvalidInput."""
        before = await self.get(caller.scope, rule_id)
        if _COMPILED & changes.keys():
            check_parameters(changes.get("treatment", before.treatment), changes.get("parameters", before.parameters))
        await self._database.update(
            "normalising_rules", {**changes, "updated_at": "now"}, scope=caller.scope, where=[("id", "eq", rule_id)],
            columns="id",
        )  # fmt: skip
        return await self.get(caller.scope, rule_id)

    async def delete(self, caller: Caller, rule_id: str) -> None:
        """Removes a rule that people made. Raises Forbidden, NotFound, Conflict (`rule_shipped`)."""
        before = await self.get(caller.scope, rule_id)
        if before.shipped:
            raise Conflict("This rule came with the platform; disable it instead.", code="rule_shipped")
        await self._database.delete(
            "normalising_rules", scope=caller.scope, where=[("id", "eq", rule_id)], columns="id"
        )
