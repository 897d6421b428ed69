"""Which firmware deviates from the standard, how often, and on how many chargers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, computed_field

from backend.database import MAX_ROWS, Database
from backend.domain.quirks import Quirk
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.normalising_rules import NormalisingRule, NormalisingRules
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class FirmwareQuirk(Record):
    """A deviation of one firmware, over all chargers that the caller may see."""

    vendor: str = Field(description="Vendor as told at boot; empty if it was not.")
    model: str = Field(description="Model as told at boot; empty if it was not.")
    firmware_version: str = Field(description="Firmware as told at boot; empty if it was not.")
    quirk: Quirk = Field(description="The deviation.")
    chargers_affected: int = Field(description="Chargers that showed it under this firmware.")
    chargers_total: int = Field(description="Chargers that run this firmware, or showed the deviation under it.")
    occurrences: int = Field(description="How often it was seen.")
    first_at: datetime = Field(description="When it was first seen (UTC).")
    last_at: datetime = Field(description="When it was last seen (UTC).")
    example: str | None = Field(description="The latest case, at most 500 characters, identifiers masked.")

    @computed_field(description="Share of the chargers with this firmware that showed it, 0 to 1.")  # type: ignore[prop-decorator]
    @property
    def share(self) -> float:
        return round(self.chargers_affected / self.chargers_total, 4)


class MeantRule(BaseModel):
    """A rule that is meant for a deviation of a firmware."""

    id: str = Field(description="Identifier (UUID).")
    name: str = Field(description="What it mends, for people.")
    enabled: bool = Field(description="Whether it is in force.")


class TreatedQuirk(FirmwareQuirk):
    """The same, with what is made of it."""

    rules: list[MeantRule] = Field(description="Normalising rules for this deviation of this firmware, in their order.")


class ChargerQuirk(Record):
    """A deviation of one charger under one firmware."""

    quirk: Quirk = Field(description="The deviation.")
    vendor: str = Field(description="Vendor as told at boot then; empty if it was not.")
    model: str = Field(description="Model as told at boot then; empty if it was not.")
    firmware_version: str = Field(description="Firmware it ran then; empty if it was not told.")
    occurrences: int = Field(description="How often it was seen.")
    first_at: datetime = Field(description="When it was first seen (UTC).")
    last_at: datetime = Field(description="When it was last seen (UTC).")
    example: str | None = Field(description="The latest case, at most 500 characters, identifiers masked.")


@dataclass(frozen=True, slots=True)
class QuirkFilter:
    """What to list; None does not filter."""

    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    quirk: Quirk | None = None


class Quirks:
    """Reads the counters in the caller's scope."""

    def __init__(self, database: Database, chargers: Chargers, rules: NormalisingRules) -> None:
        self._database = database
        self._chargers = chargers
        self._rules = rules

    async def list(self, scope: Scope, page: PageRequest, wanted: QuirkFilter) -> Page[TreatedQuirk]:
        """By vendor, model, firmware and name of the deviation."""
        where: list[Any] = given(
            ("vendor", "eq", wanted.vendor),
            ("model", "eq", wanted.model),
            ("firmware_version", "eq", wanted.firmware_version),
            ("quirk", "eq", wanted.quirk),
        )
        order = [("vendor", "asc"), ("model", "asc"), ("firmware_version", "asc"), ("quirk", "asc")]
        found = await select_page(
            self._database, "firmware_quirks", FirmwareQuirk, page, scope=scope, where=where, order=order
        )
        rules = (await self._rules.list(scope, PageRequest(MAX_ROWS - 1))).items if found.items else []
        return Page([_with_rules(quirk, rules) for quirk in found.items], found.after, found.total)

    async def of_charger(self, scope: Scope, page: PageRequest, charger_id: str) -> Page[ChargerQuirk]:
        """By name and firmware. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        order = [("quirk", "asc"), ("vendor", "asc"), ("model", "asc"), ("firmware_version", "asc")]
        where = [("charger_id", "eq", charger_id), *own_rows(scope)]
        return await select_page(
            self._database, "charger_quirks", ChargerQuirk, page, scope=scope, where=where, order=order
        )


def _with_rules(quirk: FirmwareQuirk, rules: Iterable[NormalisingRule]) -> TreatedQuirk:
    told = (quirk.vendor, quirk.model, quirk.firmware_version)
    meant = [rule for rule in rules if rule.quirk == quirk.quirk and rule.rule().fits(*told)]
    shown = [MeantRule(id=rule.id, name=rule.name, enabled=rule.enabled) for rule in meant]
    return TreatedQuirk(**quirk.model_dump(exclude={"share"}), rules=shown)
